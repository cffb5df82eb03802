//! The RAM blocks of a snapshot.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use uffd_incoming::{Result, Snapshot, SnapshotFormat};

use crate::files::shown;
use crate::output::{Report, count, size, table};

pub struct Info {
    file: PathBuf,
    format: SnapshotFormat,
    blocks: Vec<Block>,
}

struct Block {
    idstr: String,
    length: u64,
    data: u64,
    page_size: u64,
    runs: u64,
}

pub fn info(file: &Path) -> Result<Info> {
    let snapshot = Snapshot::open(file)?;
    let blocks = snapshot.blocks().iter().enumerate().map(|(index, block)| Block {
        idstr: block.idstr().into(),
        length: block.length(),
        data: block.data_bytes(),
        page_size: block.page_size(),
        runs: snapshot.data_runs(index).count() as u64,
    });
    Ok(Info { file: file.into(), format: snapshot.format().clone(), blocks: blocks.collect() })
}

impl Info {
    fn total(&self, of: fn(&Block) -> u64) -> u64 {
        self.blocks.iter().map(of).sum()
    }

    fn heading(&self) -> String {
        let file = shown(&self.file);
        match &self.format {
            SnapshotFormat::MappedRam { machine, capabilities, device_state, .. } => format!(
                "{file}: mapped-ram of QEMU, machine {}\ncapabilities: {}\ndevice state: {}\n",
                // From the file, and perhaps for a terminal.
                machine.escape_debug(),
                capabilities.join(", ").escape_debug(),
                size(*device_state)
            ),
            SnapshotFormat::Flat { image, unused, .. } => {
                let unused =
                    if *unused == 0 { String::new() } else { format!(", {} of it in no RAM block", size(*unused)) };
                format!("{file}: flat image {}{unused}\n", shown(image))
            }
            _ => format!("{file}\n"),
        }
    }
}

impl Report for Info {
    fn text(&self) -> String {
        let heading = ["RAM block", "length", "data", "zeros", "runs of data", "page size"].map(str::to_owned);
        let mut rows = vec![heading.to_vec()];
        rows.extend(self.blocks.iter().map(|block| {
            vec![
                block.idstr.clone(),
                size(block.length),
                size(block.data),
                size(block.length - block.data),
                block.runs.to_string(),
                size(block.page_size),
            ]
        }));
        let (length, data, runs) = (self.total(|b| b.length), self.total(|b| b.data), self.total(|b| b.runs));
        let blocks = count(self.blocks.len() as u64, "RAM block");
        rows.push(vec![blocks, size(length), size(data), size(length - data), runs.to_string()]);
        format!("{}\n{}", self.heading(), table(&rows))
    }

    fn json(&self) -> Value {
        let blocks = self.blocks.iter().map(|block| {
            json!({
                "idstr": block.idstr,
                "length": block.length,
                "data_bytes": block.data,
                "zero_bytes": block.length - block.data,
                "data_runs": block.runs,
                "page_size": block.page_size,
            })
        });
        let format = match &self.format {
            SnapshotFormat::MappedRam { machine, capabilities, device_state, .. } => json!({
                "name": "mapped-ram",
                "machine": machine,
                "capabilities": capabilities,
                "multifd": capabilities.iter().any(|capability| capability == "multifd"),
                "device_state_bytes": device_state,
            }),
            SnapshotFormat::Flat { image, unused, .. } => {
                json!({"name": "flat", "image": image.to_string_lossy(), "unused_bytes": unused})
            }
            _ => Value::Null,
        };
        json!({
            "file": self.file.to_string_lossy(),
            "format": format,
            "length": self.total(|block| block.length),
            "data_bytes": self.total(|block| block.data),
            "blocks": blocks.collect::<Vec<_>>(),
        })
    }
}
