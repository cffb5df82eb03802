//! Restores a snapshot in several ways, and measures when its pages are there.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde_json::{Map, Value, json};
use uffd_incoming::{
    BlockId, Config, Incoming, LoadConfig, RamBlockSpec, Snapshot, SnapshotFormat, Touched, WorkingSet, load,
};

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
            Self::Replay => "the same, working set replayed",
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
    let ways = [Way::Lazy, Way::Replay, Way::Read, Way::Map];
    let ways: Vec<_> = ways.into_iter().filter(|way| *way != Way::Replay || working_set.is_some()).collect();
    let mut times: Vec<Vec<Times>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (way, times) in ways.iter().zip(&mut times) {
            if cold {
                drop_from_cache(&snapshot, file)?;
            }
            times.push(restore(*way, file, &runs, working_set)?);
        }
    }
    let medians = times.iter().map(|times| Times {
        first: median(times.iter().map(|times| times.first)),
        set: median(times.iter().map(|times| times.set)),
        all: median(times.iter().map(|times| times.all)),
    });
    Ok(Bench {
        file: file.into(),
        length: snapshot.blocks().iter().map(|block| block.length()).sum(),
        data: snapshot.blocks().iter().map(|block| block.data_bytes()).sum(),
        set: runs.iter().map(|run| run.bytes.end - run.bytes.start).sum(),
        recorded: working_set.is_some(),
        cold,
        rounds,
        results: ways.iter().copied().zip(medians).collect(),
    })
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times[times.len() / 2]
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
    let shown =
        |error: &dyn std::fmt::Display| format!("{}: dropping it from the page cache: {error}", pages.display());
    let opened = File::open(pages).map_err(|error| shown(&error))?;
    // What was written shortly before stays in the page cache.
    opened.sync_all().map_err(|error| shown(&error))?;
    posix_fadvise(&opened, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|errno| shown(&errno))?;
    Ok(())
}

fn restore(way: Way, file: &Path, runs: &[Touched], working_set: Option<&Path>) -> Result<Times, Box<dyn Error>> {
    let began = Instant::now();
    let snapshot = Arc::new(Snapshot::open(file)?);
    let mut ram = snapshot.blocks().iter().map(|block| Ram::new(block.length())).collect::<Result<Vec<_>, _>>()?;
    if way == Way::Read {
        for (index, ram) in ram.iter_mut().enumerate() {
            for run in snapshot.data_runs(index) {
                let bytes = &mut ram.bytes()[run.start as usize..run.end as usize];
                for (number, part) in bytes.chunks_mut(READ).enumerate() {
                    snapshot.read(index, run.start + (number * READ) as u64, part)?;
                }
            }
        }
        let all = began.elapsed();
        let (first, set) = touch(began, &ram, runs);
        return Ok(Times { first, set, all });
    }

    let incoming = Incoming::new(Config::default())?;
    for (block, ram) in snapshot.blocks().iter().zip(&ram) {
        let spec =
            RamBlockSpec { idstr: block.idstr().into(), host: ram.address(), length: block.length(), page_size: PAGE };
        // SAFETY: the memory stays mapped until the clean-up below, or for good, and no reference points into it.
        unsafe { incoming.add_ram_block(BlockId(ram.address()), spec) }?;
    }
    let config = LoadConfig {
        map_private: way == Way::Map,
        working_set_replay: working_set.filter(|_| way == Way::Replay).map(Path::to_owned),
        ..LoadConfig::default()
    };
    load(&incoming, &snapshot, &config)?;
    let (first, set) = touch(began, &ram, runs);
    let waited = incoming.wait(None);
    let all = began.elapsed();
    if let Err(error) = waited.and_then(|()| incoming.cleanup()) {
        // Its threads may still fill the memory.
        std::mem::forget((incoming, ram));
        return Err(error.into());
    }
    Ok(Times { first, set, all })
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

impl Report for Bench {
    fn text(&self) -> String {
        let set = if self.recorded { "recorded set" } else { "set" };
        let heading = ["", "first page", &format!("{set} of {}", size(self.set)), "all"].map(str::to_owned);
        let mut rows = vec![heading.to_vec()];
        for (way, times) in &self.results {
            let cells = [times.first, times.set, times.all].map(milliseconds);
            let [first, set, all] = cells;
            let all = if *way == Way::Map { "in the file".into() } else { all };
            rows.push(vec![way.name().into(), first, set, all]);
        }
        let cache = if self.cold { "dropped from the page cache before" } else { "in the page cache if it fits" };
        format!(
            "{}: {} of RAM, {} of data; the file is {cache}; medians of {}\n\n{}",
            self.file.display(),
            size(self.length),
            size(self.data),
            self.rounds,
            table(&rows)
        )
    }

    fn json(&self) -> Value {
        let ways = self.results.iter().map(|(way, times)| {
            let [first, set, all] = [times.first, times.set, times.all].map(|time| time.as_secs_f64());
            (way.key().to_owned(), json!({"first_page": first, "set": set, "all": all}))
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
