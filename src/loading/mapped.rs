//! RAM blocks that are a private mapping of the snapshot's file: the kernel brings their pages. What is left of loading them is to
//! have the working set read, and to find out what was touched.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::page_loader::Pages;
use super::unit_map::Piece;
use super::working_set::MOST_RUNS;
use crate::engine::{Engine, LogLevel};
use crate::error::{Errno, Error, Result, error};
use crate::kernel::{PageMap, populate, read_ahead};
use crate::sync::Mutex;

/// While a piece is waited for, the kernel reads so many behind it.
const AHEAD: usize = 16;

/// Which blocks they are, and what is to be read of them.
#[derive(Default)]
pub(super) struct MappedBlocks {
    /// For each block; not set if none is one.
    are_mapped: OnceLock<Box<[bool]>>,
    working_set: Mutex<Option<Queue>>,
}

/// The pieces of a working set.
struct Queue {
    pieces: Vec<Piece>,
    next: usize,
    /// The kernel has been told of those before.
    told: usize,
    /// How many have not been read.
    unread: usize,
    /// This process may not read its memory by system calls, which has been told.
    is_refused: Arc<AtomicBool>,
}

/// What a loader thread is to do next.
pub(super) struct Next {
    /// To be waited for.
    pub piece: Piece,
    /// To be told of before.
    pub ahead: Vec<Piece>,
    is_refused: Arc<AtomicBool>,
}

impl MappedBlocks {
    /// Once, before any thread loads.
    pub fn set(&self, are_mapped: Box<[bool]>) {
        // There is one set-up.
        let _ = self.are_mapped.set(are_mapped);
    }

    pub fn any(&self) -> bool {
        self.are_mapped.get().is_some()
    }

    pub fn has(&self, index: usize) -> bool {
        self.are_mapped.get().is_some_and(|are_mapped| are_mapped[index])
    }

    /// What is to be read of them; whether nothing is. Only the first call counts.
    pub fn put(&self, pieces: Vec<Piece>) -> bool {
        let mut queue = self.working_set.lock();
        let is_first = queue.is_none();
        let is_empty = pieces.is_empty();
        queue.get_or_insert_with(|| Queue {
            unread: pieces.len(),
            pieces,
            next: 0,
            told: 0,
            is_refused: Arc::default(),
        });
        is_first && is_empty
    }

    /// The next piece, for one thread.
    pub fn take(&self) -> Option<Next> {
        let mut queue = self.working_set.lock();
        let queue = queue.as_mut()?;
        let piece = queue.pieces.get(queue.next)?.clone();
        queue.next += 1;
        let end = queue.pieces.len().min(queue.next + AHEAD);
        let ahead = queue.pieces[queue.told.max(queue.next)..end].to_vec();
        queue.told = end;
        Some(Next { piece, ahead, is_refused: queue.is_refused.clone() })
    }

    /// A piece that was taken has been read; whether it was the last one.
    pub fn read(&self) -> bool {
        let mut queue = self.working_set.lock();
        queue.as_mut().is_some_and(|queue| {
            queue.unread -= 1;
            queue.unread == 0
        })
    }
}

impl Next {
    /// Reads its runs of data, and has those that follow read.
    pub fn load(&self, engine: &Engine, pages: &Pages) {
        let addresses = |piece: &Piece| {
            let block = engine.block(piece.index);
            let (host, Range { start, end }) = (block.host(), block.offsets_of(&piece.pages));
            pages.data(piece.index, start as u64..end as u64).map(move |run| host + run.start..host + run.end)
        };
        let there = |piece: &&Piece| !engine.block(piece.index).is_removed();
        self.ahead.iter().filter(there).flat_map(addresses).for_each(|run| read_ahead(&run));
        for run in Some(&self.piece).filter(there).into_iter().flat_map(addresses) {
            if let Err((address, errno)) = populate(&run) {
                // A seccomp filter, or the kernel's configuration: all others will be refused, too. They have been read ahead.
                let refused = matches!(Errno::from(errno), Errno::EPERM | Errno::ENOSYS);
                if refused && self.is_refused.swap(true, Relaxed) {
                    continue;
                }
                // A thread that touches it brings it by itself, or gets SIGBUS if it cannot be read.
                let block = engine.block(self.piece.index);
                let error = Error::os(errno, format_args!("{block}: reading ahead at {address:#x} (process_vm_readv)"));
                engine.account().log(LogLevel::Warning, error.message());
            }
        }
    }
}

/// Which pages of these runs of data this process has touched, or had read ahead: added to `touched`.
pub(super) fn add_touched(
    page_map: &PageMap,
    engine: &Engine,
    index: usize,
    data: impl Iterator<Item = Range<usize>>,
    touched: &mut Vec<Piece>,
) -> Result<()> {
    let block = engine.block(index);
    let mut has_room = true;
    for run in data {
        let visited = page_map.visit_present(&(block.host() + run.start..block.host() + run.end), |there| {
            let pages = block.page_of(there.start - block.host())..block.page_of(there.end - 1 - block.host()) + 1;
            has_room &= touched.try_reserve(1).is_ok();
            if has_room && touched.len() < MOST_RUNS {
                touched.push(Piece { index, pages });
            }
        });
        visited.map_err(|error| Error::io(&error, "reading /proc/thread-self/pagemap"))?;
    }
    has_room.then_some(()).ok_or_else(|| error!(ENOMEM, "there was no memory to note all pages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_told_of_once_and_read_once() {
        let mapped = MappedBlocks::default();
        let pieces: Vec<_> = (0..AHEAD * 2).map(|page| Piece { index: 0, pages: page..page + 1 }).collect();
        assert!(!mapped.put(pieces.clone()) && !mapped.put(Vec::new()));
        let (mut told, mut read) = (Vec::new(), Vec::new());
        while let Some(next) = mapped.take() {
            told.extend(next.ahead);
            read.push(next.piece);
            assert_eq!(mapped.read(), read.len() == pieces.len());
        }
        assert_eq!(read, pieces);
        // The first one is read at once.
        assert_eq!(told, pieces[1..]);
        assert!(MappedBlocks::default().put(Vec::new()));
    }
}
