//! Reads all RAM of a snapshot.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use uffd_incoming::{Error, Result, Snapshot, SnapshotFormat};

use crate::files::shown;
use crate::output::{Report, count, size};

/// How much is read at once.
const CHUNK: u64 = 1 << 20;

/// How precisely it is told what cannot be read: a file system reads no less at once.
const GRAIN: u64 = 4096;

/// How many parts are shown as text.
const MOST_SHOWN: usize = 50;

pub struct Verify {
    file: PathBuf,
    data: u64,
    /// Bytes in pages of zeros that the file holds as data.
    zeros: u64,
    /// What is wrong with the file as a whole.
    problems: Vec<String>,
    unreadable: Vec<Unreadable>,
}

/// A part of a RAM block that cannot be read.
struct Unreadable {
    block: String,
    bytes: Range<u64>,
    file_offset: Option<u64>,
    error: Error,
}

pub fn verify(file: &Path) -> Result<Verify> {
    Ok(read_all(file, &Snapshot::open(file)?))
}

fn read_all(file: &Path, snapshot: &Snapshot) -> Verify {
    let problems = device_state(file, snapshot).err().into_iter().collect();
    let mut found = Verify { file: file.into(), data: 0, zeros: 0, problems, unreadable: Vec::new() };
    let mut buffer = vec![0; CHUNK as usize];
    for index in 0..snapshot.blocks().len() {
        for run in snapshot.data_runs(index) {
            for bytes in pieces(run, CHUNK) {
                found.read(snapshot, index, bytes, &mut buffer);
            }
        }
    }
    found
}

/// Reads what follows the RAM, too. It ends with QEMU's mark of the end, or with its description of the state in JSON, if it has not been
/// cut off.
fn device_state(file: &Path, snapshot: &Snapshot) -> std::result::Result<(), String> {
    const END: u8 = 0;
    const DESCRIPTION: u8 = 6;
    let SnapshotFormat::MappedRam { device_state, .. } = snapshot.format() else { return Ok(()) };
    if *device_state == 0 {
        return Err("the file ends where its RAM does, without the state of the devices: QEMU cannot load it".into());
    }
    let mut state = vec![0; *device_state as usize];
    let read = File::open(file).and_then(|file| {
        let end = file.metadata()?.len();
        file.read_exact_at(&mut state, end.saturating_sub(*device_state))
    });
    read.map_err(|error| format!("the state of the devices cannot be read: {error}"))?;
    // Behind the mark: a byte, the length, and so many bytes.
    let described = (0..state.len().saturating_sub(6)).any(|at| {
        state[at..at + 2] == [END, DESCRIPTION]
            && u32::from_be_bytes(state[at + 2..at + 6].try_into().expect("four bytes")) as usize
                == state.len() - at - 6
    });
    if described || state.last() == Some(&END) {
        Ok(())
    } else {
        Err("the state of the devices does not end as QEMU ends it: the file has been cut off".into())
    }
}

/// The same bytes in pieces of at most `most`, cut where that divides them.
fn pieces(bytes: Range<u64>, most: u64) -> impl Iterator<Item = Range<u64>> {
    let mut at = bytes.start;
    std::iter::from_fn(move || {
        let start = at;
        at = bytes.end.min((start / most + 1) * most);
        (start < bytes.end).then_some(start..at)
    })
}

impl Verify {
    fn read(&mut self, snapshot: &Snapshot, index: usize, bytes: Range<u64>, buffer: &mut [u8]) {
        let length = bytes.end - bytes.start;
        let part = &mut buffer[..length as usize];
        match snapshot.read(index, bytes.start, part) {
            Ok(()) => {
                self.data += length;
                let pages = part.chunks(GRAIN as usize).filter(|page| page.iter().all(|byte| *byte == 0));
                self.zeros += pages.map(|page| page.len() as u64).sum::<u64>();
            }
            Err(_) if length > GRAIN => {
                for piece in pieces(bytes, GRAIN) {
                    self.read(snapshot, index, piece, buffer);
                }
            }
            Err(error) => self.note(snapshot, index, bytes, error),
        }
    }

    fn note(&mut self, snapshot: &Snapshot, index: usize, bytes: Range<u64>, error: Error) {
        let block = snapshot.blocks()[index].idstr();
        if let Some(last) = self.unreadable.last_mut() {
            if last.block == block && last.bytes.end == bytes.start && last.error.errno() == error.errno() {
                last.bytes.end = bytes.end;
                return;
            }
        }
        let file_offset = snapshot.file_offset(index, bytes.start);
        self.unreadable.push(Unreadable { block: block.into(), bytes, file_offset, error });
    }
}

impl Report for Verify {
    fn text(&self) -> String {
        let file = shown(&self.file);
        let mut text: String = self.problems.iter().map(|problem| format!("{file}: {problem}\n")).collect();
        for part in self.unreadable.iter().take(MOST_SHOWN) {
            let Range { start, end } = part.bytes;
            // The error names the file, and the block.
            let offset = part.file_offset.map_or(String::new(), |offset| format!(" (file offset {offset:#x})"));
            let length = count(end - start, "byte");
            text += &format!("RAM block '{}', {length} at {start:#x}{offset}: {}\n", part.block, part.error);
        }
        if let Some(more @ 1..) = self.unreadable.len().checked_sub(MOST_SHOWN) {
            text += &format!("{file}: and {} more\n", count(more as u64, "part"));
        }
        let zeros = match self.zeros {
            0 => String::new(),
            bytes => format!(", {} of it in pages of zeros", size(bytes)),
        };
        let verdict = match (self.unreadable.is_empty(), self.problems.is_empty()) {
            (true, true) => "all of it can be read",
            (true, false) => "it is damaged, but all of its RAM can be read",
            _ => "it is damaged",
        };
        text + &format!("{file}: {verdict}; {} of data{zeros}\n", size(self.data))
    }

    fn json(&self) -> Value {
        let unreadable = self.unreadable.iter().map(|part| {
            json!({
                "block": part.block,
                "offset": part.bytes.start,
                "length": part.bytes.end - part.bytes.start,
                "file_offset": part.file_offset,
                "errno": part.error.errno(),
                "error": part.error.to_string(),
            })
        });
        json!({
            "file": self.file.to_string_lossy(),
            "good": self.is_good(),
            "data_bytes_read": self.data,
            "zero_bytes": self.zeros,
            "problems": self.problems,
            "unreadable": unreadable.collect::<Vec<_>>(),
        })
    }

    fn is_good(&self) -> bool {
        self.unreadable.is_empty() && self.problems.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A read beyond the end of a file that was truncated fails, as one of a bad sector does.
    #[test]
    fn what_cannot_be_read_is_reported_in_one_piece() {
        let directory = tempfile::tempdir().unwrap();
        let (image, description) = (directory.path().join("image"), directory.path().join("vm.flat"));
        fs::write(&image, vec![1; 3 << 20]).unwrap();
        fs::write(&description, "uffd-incoming flat 1\nimage image\nblock 0 0x300000 ram\n").unwrap();
        let snapshot = Snapshot::open(&description).unwrap();
        assert!(read_all(&description, &snapshot).is_good());
        fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(0x101000).unwrap();
        let found = read_all(&description, &snapshot);
        let parts: Vec<_> = found.unreadable.iter().map(|part| (part.bytes.clone(), part.file_offset)).collect();
        assert_eq!(parts, [(0x101000..0x300000, Some(0x101000))]);
        assert_eq!((found.data, found.is_good()), (0x101000, false));
        assert!(
            found.text().contains("RAM block 'ram', 2093056 bytes at 0x101000 (file offset 0x101000): "),
            "{}",
            found.text()
        );
    }

    #[test]
    fn pieces_are_cut_where_the_size_divides_them() {
        assert_eq!(pieces(3..10, 4).collect::<Vec<_>>(), [3..4, 4..8, 8..10]);
        assert_eq!(pieces(8..8, 4).count(), 0);
    }
}
