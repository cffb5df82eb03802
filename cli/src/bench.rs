//! Restores a snapshot in several ways, and measures when its pages are there.

use std::error::Error;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde_json::{Map, Value, json};
use uffd_incoming::{
    BlockId, Config, Incoming, LoadConfig, RamBlockSpec, Snapshot, SnapshotFormat, Touched, WorkingSet, load, probe,
};

use crate::files::{failed, shown};
use crate::output::{Report, size, table};
use crate::ram::Ram;

const PAGE: u64 = 4096;

/// Without a recorded working set: so much, in such pieces.
const SET: u64 = 64 << 20;
const PIECE: u64 = 2 << 20;

/// How much a full read asks for at once.
const READ: usize = 2 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Lazy,
    Replay,
    Read,
    Map,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Lazy => "load on demand",
            Self::Replay => "load on demand, set replayed",
            Self::Read => "full read",
            Self::Map => "private mapping",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Lazy => "lazy",
            Self::Replay => "lazy_replayed",
            Self::Read => "read",
            Self::Map => "mapped",
        }
    }
}

/// How long after the beginning.
struct Times {
    first: Duration,
    set: Duration,
    all: Duration,
    /// How much of the data became a mapping of the file.
    mapped: u64,
}

pub struct Bench {
    file: PathBuf,
    length: u64,
    data: u64,
    set: u64,
    recorded: bool,
    cold: bool,
    rounds: u32,
    /// Medians.
    results: Vec<(Way, Times)>,
}

/// What is restored, and touched.
struct Work {
    file: PathBuf,
    runs: Arc<[Touched]>,
    working_set: Option<PathBuf>,
    /// Without privileges: the command touches the RAM in user mode only.
    user_mode_only: bool,
}

pub fn bench(file: &Path, working_set: Option<&Path>, rounds: u32, cold: bool) -> Result<Bench, Box<dyn Error>> {
    let snapshot = Snapshot::open(file)?;
    let runs = match working_set {
        Some(path) => {
            let set = WorkingSet::open(path)?;
            set.check(&snapshot)?;
            set.runs().to_vec()
        }
        None => made_up(&snapshot),
    };
    let set = runs.iter().map(Touched::length).sum();
    if set == 0 {
        return Err("the working set is empty: there is nothing to touch".into());
    }
    let host = probe();
    let user_mode_only = host.device.is_err() && host.syscall.is_err() && host.user_mode.is_ok();
    let work =
        Work { file: file.into(), runs: runs.into(), working_set: working_set.map(Path::to_owned), user_mode_only };
    let ways = [Way::Lazy, Way::Replay, Way::Read, Way::Map];
    let ways: Vec<_> = ways.into_iter().filter(|way| *way != Way::Replay || working_set.is_some()).collect();
    let mut times: Vec<Vec<Times>> = ways.iter().map(|_| Vec::new()).collect();
    if !cold {
        restore(Way::Read, &work)?;
    }
    for _ in 0..rounds {
        for (way, times) in ways.iter().zip(&mut times) {
            if cold {
                drop_from_cache(&snapshot, file)?;
            }
            times.push(restore(*way, &work)?);
        }
    }
    let medians = times.iter().map(|times| Times {
        first: median(times.iter().map(|times| times.first)),
        set: median(times.iter().map(|times| times.set)),
        all: median(times.iter().map(|times| times.all)),
        mapped: times[0].mapped,
    });
    Ok(Bench {
        file: file.into(),
        length: snapshot.blocks().iter().map(|block| block.length()).sum(),
        data: snapshot.blocks().iter().map(|block| block.data_bytes()).sum(),
        set,
        recorded: working_set.is_some(),
        cold,
        rounds,
        results: ways.iter().copied().zip(medians).collect(),
    })
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort();
    (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2
}

/// Pieces all over the RAM, in an order that no reading ahead foresees.
fn made_up(snapshot: &Snapshot) -> Vec<Touched> {
    let mut pieces = Vec::new();
    for (block, found) in snapshot.blocks().iter().enumerate() {
        for start in (0..found.length()).step_by(PIECE as usize) {
            pieces.push(Touched { block, bytes: start..found.length().min(start + PIECE) });
        }
    }
    let wanted = pieces.len().min((SET / PIECE) as usize);
    let mut chosen: Vec<_> = (0..wanted).map(|number| pieces[number * pieces.len() / wanted].clone()).collect();
    // Scattered, and the same each time.
    chosen.sort_by_key(|piece| (piece.block as u64 ^ (piece.bytes.start / PIECE)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    chosen
}

fn drop_from_cache(snapshot: &Snapshot, file: &Path) -> Result<(), Box<dyn Error>> {
    let pages = match snapshot.format() {
        SnapshotFormat::Flat { image, .. } => image,
        _ => file,
    };
    let dropped = File::open(pages).and_then(|opened| {
        // What was written shortly before stays in the page cache.
        opened.sync_all()?;
        Ok(posix_fadvise(&opened, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
    });
    dropped.map_err(|error| failed(pages, format_args!("dropping it from the page cache: {error}")))
}

fn restore(way: Way, work: &Work) -> Result<Times, Box<dyn Error>> {
    let began = Instant::now();
    let snapshot = Arc::new(Snapshot::open(&work.file)?);
    if way == Way::Read {
        return full_read(began, &snapshot, &work.runs);
    }
    let ram = snapshot.blocks().iter().map(|block| Ram::new(block.length(), true));
    // Where a load is left incomplete, the memory stays in use, and so it is not freed.
    let ram = ManuallyDrop::new(Arc::<[Ram]>::from(ram.collect::<Result<Vec<_>, _>>()?));
    let incoming = Incoming::new(Config { user_mode_only: work.user_mode_only, ..Config::default() })?;
    for (block, ram) in snapshot.blocks().iter().zip(&**ram) {
        let (idstr, host, length) = (block.idstr().into(), ram.address(), block.length());
        let spec = RamBlockSpec { idstr, host, length, page_size: PAGE };
        // SAFETY: the memory stays mapped until the clean-up below has succeeded, or for good, and no reference points into it.
        unsafe { incoming.add_ram_block(BlockId(host), spec) }?;
    }
    let config = LoadConfig {
        map_private: way == Way::Map,
        working_set_replay: work.working_set.clone().filter(|_| way == Way::Replay),
        ..LoadConfig::default()
    };
    load(&incoming, &snapshot, &config)?;
    // On a thread of its own: a page that cannot be read keeps it waiting.
    let toucher = thread::Builder::new().spawn({
        let (ram, runs) = (Arc::clone(&ram), work.runs.clone());
        move || touch(began, &ram, &runs)
    })?;
    incoming.wait(None)?;
    let all = began.elapsed();
    let (first, set) = toucher.join().map_err(|_| "the thread that touches the RAM has panicked")?;
    incoming.cleanup()?;
    drop(ManuallyDrop::into_inner(ram));
    Ok(Times { first, set, all: all.max(set), mapped: incoming.stats().bytes_mapped })
}

/// What a VMM does without userfaultfd.
fn full_read(began: Instant, snapshot: &Snapshot, runs: &[Touched]) -> Result<Times, Box<dyn Error>> {
    let mut ram = Vec::new();
    for (index, block) in snapshot.blocks().iter().enumerate() {
        // Where most is zeros, huge pages would have to be cleared for little data.
        let mut memory = Ram::new(block.length(), block.data_bytes() >= block.length() / 2)?;
        for run in snapshot.data_runs(index) {
            let bytes = &mut memory.bytes()[run.start as usize..run.end as usize];
            for (number, part) in bytes.chunks_mut(READ).enumerate() {
                snapshot.read(index, run.start + (number * READ) as u64, part)?;
            }
        }
        ram.push(memory);
    }
    let (first, set) = touch(began, &ram, runs);
    Ok(Times { first, set, all: set, mapped: 0 })
}

/// Touches the first page, and then all of the working set.
fn touch(began: Instant, ram: &[Ram], runs: &[Touched]) -> (Duration, Duration) {
    let first = runs.first().map_or((0, 0), |run| (run.block, run.bytes.start));
    ram[first.0].touch(first.1);
    let first = began.elapsed();
    for run in runs {
        run.bytes.clone().step_by(PAGE as usize).for_each(|offset| ram[run.block].touch(offset));
    }
    (first, began.elapsed())
}

impl Bench {
    /// Whether nothing could be mapped: such RAM is loaded.
    fn is_unmapped(&self, way: Way, times: &Times) -> bool {
        way == Way::Map && times.mapped == 0 && self.data > 0
    }
}

impl Report for Bench {
    fn text(&self) -> String {
        let set = if self.recorded { "recorded set" } else { "set" };
        let heading = ["", "first page", &format!("{set} of {}", size(self.set)), "all"].map(str::to_owned);
        let mut rows = vec![heading.to_vec()];
        for (way, times) in &self.results {
            let [first, set, all] = [times.first, times.set, times.all].map(milliseconds);
            rows.push(match way {
                Way::Map if self.is_unmapped(*way, times) => vec![way.name().into(), "not possible".into()],
                Way::Map => vec![way.name().into(), first, set, "in the file".into()],
                _ => vec![way.name().into(), first, set, all],
            });
        }
        let cache = if self.cold { "dropped from the page cache, where it can be" } else { "read before" };
        format!(
            "{}: {} of RAM, {} of data; the file has been {cache}; medians of {}\n\n{}",
            shown(&self.file),
            size(self.length),
            size(self.data),
            self.rounds,
            table(&rows)
        )
    }

    fn json(&self) -> Value {
        let ways = self.results.iter().map(|(way, times)| {
            let [first, set, all] = [times.first, times.set, times.all].map(|time| time.as_secs_f64());
            let times = match way {
                Way::Map if self.is_unmapped(*way, times) => Value::Null,
                // What is mapped stays in the file.
                Way::Map => json!({"first_page": first, "set": set, "all": null}),
                _ => json!({"first_page": first, "set": set, "all": all}),
            };
            (way.key().to_owned(), times)
        });
        json!({
            "file": self.file.to_string_lossy(),
            "length": self.length,
            "data_bytes": self.data,
            "set_bytes": self.set,
            "recorded_set": self.recorded,
            "cold": self.cold,
            "rounds": self.rounds,
            "ways": Value::Object(ways.collect::<Map<_, _>>()),
        })
    }
}

fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else if ms < 100.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}
