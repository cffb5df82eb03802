//! What a recorded working set touches.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde_json::{Value, json};
use uffd_incoming::{Snapshot, Touched, WorkingSet};

use crate::files::{NewFile, shown};
use crate::output::{Report, count, size, table};
use crate::strip::{self, Strip};

/// Of how many blocks the text has pictures.
const MOST_PICTURES: usize = 8;

pub struct Shown {
    file: PathBuf,
    set: WorkingSet,
    /// Those that are touched, by their index in the snapshot.
    blocks: BTreeMap<usize, Block>,
    belongs: Belongs,
}

/// To the snapshot that was named.
enum Belongs {
    Unknown,
    Yes,
    /// Why not.
    No(String),
}

struct Block {
    name: String,
    /// As far as is known.
    length: u64,
    runs: u64,
    bytes: u64,
}

pub fn working_set(
    file: &Path,
    snapshot: Option<&Path>,
    svg: Option<&Path>,
    force: bool,
) -> Result<Shown, Box<dyn Error>> {
    let set = WorkingSet::open(file)?;
    let snapshot = snapshot.map(Snapshot::open).transpose()?;
    let belongs = match snapshot.as_ref().map(|snapshot| set.check(snapshot)) {
        None => Belongs::Unknown,
        Some(Ok(())) => Belongs::Yes,
        Some(Err(error)) if error.errno() == Errno::ESTALE as i32 => Belongs::No(error.to_string()),
        Some(Err(error)) => return Err(error.into()),
    };
    // Another snapshot's names would mislead.
    let known = snapshot.as_ref().filter(|_| matches!(belongs, Belongs::Yes));
    let blocks = blocks(&set, known);
    let found = Shown { file: file.into(), set, blocks, belongs };
    if let Some(path) = svg.filter(|_| found.is_good()) {
        let runs = count(found.set.runs().len() as u64, "run");
        let title = format!("{}: {} in {runs}", shown(file), size(found.bytes()));
        let drawn = strip::svg(&title, &found.strips(), found.bytes());
        NewFile::new(path, drawn.as_bytes())?.put(force, strip::SVG_MAGIC)?;
    }
    Ok(found)
}

fn blocks(set: &WorkingSet, snapshot: Option<&Snapshot>) -> BTreeMap<usize, Block> {
    let mut blocks = BTreeMap::new();
    for run in set.runs() {
        let block = blocks.entry(run.block).or_insert_with(|| {
            let known = snapshot.and_then(|snapshot| snapshot.blocks().get(run.block));
            let (name, length) = known.map_or_else(
                || (format!("RAM block {}", run.block), 0),
                |known| (known.idstr().to_owned(), known.length()),
            );
            Block { name, length, runs: 0, bytes: 0 }
        });
        block.runs += 1;
        block.bytes += run.length();
        block.length = block.length.max(run.bytes.end);
    }
    blocks
}

impl Shown {
    fn bytes(&self) -> u64 {
        self.set.runs().iter().map(Touched::length).sum()
    }

    fn strips(&self) -> Vec<Strip<'_>> {
        let mut strips: BTreeMap<usize, Strip<'_>> = BTreeMap::new();
        let mut when = 0;
        for run in self.set.runs() {
            let block = &self.blocks[&run.block];
            let strip = strips.entry(run.block);
            let strip = strip.or_insert_with(|| Strip { name: &block.name, length: block.length, touched: Vec::new() });
            strip.touched.push((when, run));
            when += run.length();
        }
        strips.into_values().collect()
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let length = if matches!(self.belongs, Belongs::Yes) { "of" } else { "up to" };
        let mut rows = vec![["RAM block", "touched", "runs", length].map(str::to_owned).to_vec()];
        for block in self.blocks.values() {
            rows.push(vec![block.name.clone(), size(block.bytes), block.runs.to_string(), size(block.length)]);
        }
        rows.push(vec!["all".into(), size(self.bytes()), self.set.runs().len().to_string()]);
        let mut text = match &self.belongs {
            Belongs::No(reason) => format!("{reason}\n\n"),
            _ => format!("{}: a working set\n\n", shown(&self.file)),
        };
        text += &table(&rows);
        let strips = self.strips();
        for strip in strips.iter().take(MOST_PICTURES) {
            let lines = strip::text(strip, self.bytes());
            text += &format!("\n{}, from its start to its end; time goes down\n{lines}", strip.name);
        }
        if let Some(more @ 1..) = strips.len().checked_sub(MOST_PICTURES) {
            text += &format!("\nand {} more, which --svg shows\n", count(more as u64, "RAM block"));
        }
        text
    }

    fn json(&self) -> Value {
        let blocks = self.blocks.iter().map(|(index, block)| {
            json!({
                "index": index,
                "name": block.name,
                "length": matches!(self.belongs, Belongs::Yes).then_some(block.length),
                "bytes": block.bytes,
                "runs": block.runs,
            })
        });
        let runs = self
            .set
            .runs()
            .iter()
            .map(|run| json!({"block": run.block, "offset": run.bytes.start, "length": run.length()}));
        let (belongs, reason) = match &self.belongs {
            Belongs::Unknown => (Value::Null, Value::Null),
            Belongs::Yes => (true.into(), Value::Null),
            Belongs::No(reason) => (false.into(), reason.as_str().into()),
        };
        json!({
            "file": self.file.to_string_lossy(),
            "bytes": self.bytes(),
            "belongs_to_snapshot": belongs,
            "reason": reason,
            "blocks": blocks.collect::<Vec<_>>(),
            "runs": runs.collect::<Vec<_>>(),
        })
    }

    fn is_good(&self) -> bool {
        !matches!(self.belongs, Belongs::No(_))
    }
}
