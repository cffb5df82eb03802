//! Snapshots: open, look into, load.

use std::ffi::{c_char, c_int};
use std::os::fd::{BorrowedFd, RawFd};
use std::path::PathBuf;

use crate::abi::boundary::{self, pointer, status};
use crate::abi::handles::{incoming, insert_snapshot, remove_snapshot, snapshot};
use crate::abi::structs;
use crate::abi::types::*;
use crate::error::{Result, ensure, error};
use crate::incoming::load;
use crate::loading::LoadConfig;
use crate::source::Snapshot;

/// Opens a snapshot: a file of QEMU's mapped-ram migration (QEMU 9.0 or newer), or the description of a flat image. All
/// of its structure is read and checked; its pages are read when they are needed.
///
/// errno: what opening or reading it said; EINVAL: it is neither of them, damaged, or no regular file or block device;
/// EOPNOTSUPP: it was taken with x-ignore-shared, and so has not all of the RAM.
///
/// The description of a flat image is a text file: the line "uffd-incoming flat 1", the line "image PATH" (relative to
/// the description), then for each RAM block a line "block OFFSET LENGTH IDSTR", numbers in bytes, decimal or 0x hex,
/// multiples of 4096. HOLES IN THE IMAGE ARE ZEROS: a file that is sparse for another reason, such as a diff snapshot of
/// Firecracker, whose holes are the pages of an earlier snapshot, has to be merged with that first. The library cannot tell the
/// two apart.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_open(path: *const c_char) -> *mut UffdSnapshot {
    pointer(|| {
        // SAFETY: the caller's path is NULL or a NUL-terminated string.
        let path = unsafe { boundary::path(path, "path") }?;
        insert_snapshot(Snapshot::open(path)?)
    })
}

/// Opens a mapped-ram snapshot from a descriptor, which is duplicated; `offset` is where the stream starts in the file
/// (QEMU's file:...,offset=N). One that was opened with O_DIRECT is opened once more without, by way of /proc: EINVAL where
/// that cannot be. errno as by uffd_snapshot_open(), and EBADF: not an open descriptor. When the snapshot is let go
/// of, the duplicate is closed, and so Linux drops the record locks (F_SETLK) that the process holds on the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_open_fd(fd: c_int, offset: u64) -> *mut UffdSnapshot {
    pointer(|| {
        ensure!(fd >= 0, EBADF, "{fd} is not a file descriptor");
        // SAFETY: not negative; the caller keeps it open during the call, and a wrong one fails to be duplicated.
        let fd = unsafe { BorrowedFd::borrow_raw(fd as RawFd) };
        insert_snapshot(Snapshot::open_fd(fd, offset)?)
    })
}

/// Describes the RAM block with this index (0, 1, ...) in a snapshot. -ENOENT beyond the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_block(
    snap: *mut UffdSnapshot,
    index: usize,
    block: *mut UffdSnapshotBlock,
) -> c_int {
    status(|| {
        let open = snapshot(snap)?;
        let (Some(found), Some(name)) = (open.snapshot.blocks().get(index), open.names.get(index)) else {
            return Err(error!(ENOENT, "the snapshot has {} RAM blocks, none has index {index}", open.names.len()));
        };
        let out = UffdSnapshotBlock {
            size: 0,
            idstr: name.as_ptr(),
            length: found.length(),
            page_size: found.page_size(),
            data_bytes: found.data_bytes(),
        };
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        unsafe { structs::write(block, &out) }?;
        Ok(0)
    })
}

/// Closes a snapshot. A load under way keeps what it needs. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_close(snap: *mut UffdSnapshot) {
    status(|| {
        remove_snapshot(snap);
        Ok(0)
    });
}

/// Restores RAM from a snapshot: empties every RAM block, arms the mis (as uffd_setup_incoming() does, with the snapshot
/// as the source of pages) and starts loading in the background. Returns before the RAM is loaded: from then on it may
/// be touched, and each page arrives when it is needed. `config` NULL stands for the defaults.
///
/// Blocks are matched by name, and both sides must have the same ones with the same lengths: otherwise -EINVAL. Memory that
/// cannot be emptied gives -EINVAL, too: locked memory (mlock), or a private mapping of a file that holds data or is not open
/// in this process. So does RAM that is a mapping of the snapshot's own file: loading would destroy the snapshot. (With
/// UFFD_LOAD_KEEP_PRESENT, a block may map its own bytes of a flat image: they are present.) -EPERM: a memfd behind a block is
/// sealed (F_SEAL_FUTURE_WRITE) and cannot be emptied. -EOPNOTSUPP: emptying needs /proc/thread-self/maps; without /proc, use
/// UFFD_LOAD_KEEP_PRESENT and RAM that is empty. All of these come before anything is changed.
///
/// A later failure is as complete as that of a set-up, but has emptied the RAM. Fails like uffd_setup_incoming(), with -EINVAL
/// for more than 64 loader threads, too, and with what creating a file beside `working_set_record` said. `page_handler` and
/// UFFD_INCOMING_PREEMPT are for postcopy, and play no part.
///
/// Zeros take no memory where that can be: in shared RAM (memfd, tmpfs) and in hugetlbfs they stay holes. They count as received
/// when the load has begun (long runs), or has come to them; a thread or a client that touches one gets a page of zeros.
///
/// Pin RAM for a device after the load (VFIO, vDPA, io_uring's fixed buffers), or use UFFD_LOAD_KEEP_PRESENT: emptying detaches
/// pages that are pinned, and the device goes on with those, unseen by the guest. The library cannot know: Linux does not tell
/// which pages are pinned. What uffd_setup_incoming() says about other mappings of the RAM holds here, too.
///
/// A page that cannot be read pauses all (`event`, uffd_incoming_wait() say why) until uffd_incoming_resume(), or is poisoned
/// (UFFD_INCOMING_POISON): it is never taken for zeros. uffd_incoming_cleanup() is refused until every page is in place,
/// or poisoned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_load_snapshot(
    mis: *mut MigrationIncomingState,
    snap: *mut UffdSnapshot,
    config: *const UffdLoadConfig,
) -> c_int {
    status(|| {
        let incoming = incoming(mis)?;
        let open = snapshot(snap)?;
        let config = if config.is_null() {
            LoadConfig::default()
        } else {
            // SAFETY: not NULL, and so a struct that starts with its size.
            let config = unsafe { structs::read(config) }?;
            const FLAGS: u64 = UFFD_LOAD_KEEP_PRESENT
                | UFFD_LOAD_NO_BACKGROUND
                | UFFD_LOAD_DIRECT_IO
                | UFFD_LOAD_NO_HUGE_PAGES
                | UFFD_LOAD_NO_ZERO_SCAN;
            ensure!(config.flags & !FLAGS == 0, EINVAL, "unknown flag {:#x} in UffdLoadConfig", config.flags & !FLAGS);
            LoadConfig {
                keep_present: config.flags & UFFD_LOAD_KEEP_PRESENT != 0,
                background: config.flags & UFFD_LOAD_NO_BACKGROUND == 0,
                direct_io: config.flags & UFFD_LOAD_DIRECT_IO != 0,
                zero_scan: config.flags & UFFD_LOAD_NO_ZERO_SCAN == 0,
                no_huge_pages: config.flags & UFFD_LOAD_NO_HUGE_PAGES != 0,
                loader_threads: config.loader_threads,
                channels: config.channels,
                // SAFETY: the caller's paths are NULL or NUL-terminated strings.
                working_set_record: unsafe { path(config.working_set_record, "working_set_record") }?,
                // SAFETY: see above.
                working_set_replay: unsafe { path(config.working_set_replay, "working_set_replay") }?,
            }
        };
        load(&incoming, &open.snapshot, &config)?;
        Ok(0)
    })
}

/// A path that may be NULL.
///
/// # Safety
/// `path` is NULL or points to a NUL-terminated string that stays as it is during the call.
unsafe fn path(path: *const c_char, what: &str) -> Result<Option<PathBuf>> {
    // SAFETY: this function's contract is the same.
    if path.is_null() { Ok(None) } else { unsafe { boundary::path(path, what) }.map(|path| Some(path.into())) }
}
