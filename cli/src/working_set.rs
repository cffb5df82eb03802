//! What a recorded working set touches.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use uffd_incoming::{Snapshot, WorkingSet};

use crate::output::{Report, count, size, table};
use crate::strip::{self, Strip};

pub struct Shown {
    file: PathBuf,
    set: WorkingSet,
    blocks: Vec<Block>,
    /// Whether the set is of the snapshot that was named, or why not.
    belongs: Option<uffd_incoming::Result<()>>,
}

struct Block {
    name: String,
    /// As far as is known.
    length: u64,
    runs: u64,
    bytes: u64,
}

pub fn working_set(file: &Path, snapshot: Option<&Path>, svg: Option<&Path>) -> Result<Shown, Box<dyn Error>> {
    let set = WorkingSet::open(file)?;
    let snapshot = snapshot.map(Snapshot::open).transpose()?;
    let belongs = snapshot.as_ref().map(|snapshot| set.check(snapshot));
    // Another snapshot's names would mislead.
    let known = snapshot.as_ref().filter(|_| matches!(belongs, Some(Ok(()))));
    let blocks = blocks(&set, known);
    let shown = Shown { file: file.into(), set, blocks, belongs };
    if let Some(path) = svg {
        let title =
            format!("{}: {} of {}", file.display(), size(shown.bytes()), count(shown.set.runs().len() as u64, "run"));
        let drawn = strip::svg(&title, &shown.strips(), shown.bytes());
        fs::write(path, drawn).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(shown)
}

/// The blocks that are touched, by their index.
fn blocks(set: &WorkingSet, snapshot: Option<&Snapshot>) -> Vec<Block> {
    let mut blocks: Vec<Block> = match snapshot {
        Some(snapshot) => {
            let known = snapshot.blocks().iter();
            known.map(|block| Block { name: block.idstr().into(), length: block.length(), runs: 0, bytes: 0 }).collect()
        }
        None => {
            // A damaged file may name any index.
            let count = set.runs().iter().map(|run| run.block + 1).max().unwrap_or(0).min(1 << 16);
            (0..count).map(|index| Block { name: format!("RAM block {index}"), length: 0, runs: 0, bytes: 0 }).collect()
        }
    };
    for run in set.runs() {
        if let Some(block) = blocks.get_mut(run.block) {
            block.runs += 1;
            block.bytes += run.bytes.end - run.bytes.start;
            block.length = block.length.max(run.bytes.end);
        }
    }
    blocks
}

impl Shown {
    fn bytes(&self) -> u64 {
        self.set.runs().iter().map(|run| run.bytes.end - run.bytes.start).sum()
    }

    fn strips(&self) -> Vec<Strip<'_>> {
        let mut strips: Vec<_> = self
            .blocks
            .iter()
            .map(|block| Strip { name: &block.name, length: block.length, touched: Vec::new() })
            .collect();
        let mut when = 0;
        for run in self.set.runs() {
            if let Some(strip) = strips.get_mut(run.block) {
                strip.touched.push((when, run));
            }
            when += run.bytes.end - run.bytes.start;
        }
        strips.retain(|strip| !strip.touched.is_empty());
        strips
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let heading = ["RAM block", "touched", "runs", "up to"].map(str::to_owned);
        let mut rows = vec![heading.to_vec()];
        for block in self.blocks.iter().filter(|block| block.runs > 0) {
            rows.push(vec![block.name.clone(), size(block.bytes), block.runs.to_string(), size(block.length)]);
        }
        rows.push(vec!["all".into(), size(self.bytes()), self.set.runs().len().to_string()]);
        if matches!(self.belongs, Some(Ok(()))) {
            rows[0][3] = "of".into();
        }
        let mut text = match &self.belongs {
            Some(Err(error)) => format!("{error}\n\n"),
            _ => format!("{}: a working set\n\n", self.file.display()),
        };
        text += &table(&rows);
        for strip in self.strips() {
            let lines = strip::text(&strip, self.bytes());
            text += &format!("\n{}, from its start to its end; time goes down\n{lines}", strip.name);
        }
        text
    }

    fn json(&self) -> Value {
        let runs = self.set.runs().iter();
        let runs = runs.map(
            |run| json!({"block": run.block, "offset": run.bytes.start, "length": run.bytes.end - run.bytes.start}),
        );
        json!({
            "file": self.file.to_string_lossy(),
            "bytes": self.bytes(),
            "belongs_to_snapshot": self.belongs.as_ref().map(Result::is_ok),
            "blocks": self.blocks.iter().map(|block| json!({"name": block.name, "bytes": block.bytes, "runs": block.runs})).collect::<Vec<_>>(),
            "runs": runs.collect::<Vec<_>>(),
        })
    }

    fn is_good(&self) -> bool {
        !matches!(self.belongs, Some(Err(_)))
    }
}
