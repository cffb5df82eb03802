//! Snapshots: open, describe, load.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{BorrowedFd, RawFd};
use std::path::PathBuf;

use crate::abi::boundary::{self, pointer, status};
use crate::abi::handles::{SNAPSHOTS, incoming, insert_snapshot, snapshot};
use crate::abi::structs;
use crate::abi::types::*;
use crate::error::{Result, ensure, error};
use crate::incoming::load;
use crate::loading::LoadConfig;
use crate::source::Snapshot;

/// Opens a snapshot: a file of QEMU's mapped-ram migration (QEMU 9.0 or newer), or the description of a flat
/// image. Reads and checks all of its structure. Its pages are read when they are needed.
///
/// The description of a flat image is a text file: the line "uffd-incoming flat 1", the line "image PATH"
/// (relative to the description), then for each RAM block a line "block OFFSET LENGTH IDSTR". OFFSET and LENGTH
/// are in bytes, decimal or 0x hex, and multiples of 4096. HOLES IN THE IMAGE ARE ZEROS. A diff snapshot of
/// Firecracker is also a sparse file, but its holes are pages of an earlier snapshot: merge the two first. The
/// library cannot tell such a file from a flat image.
///
/// errno on failure:
/// - EINVAL: the file is neither of the two, is damaged, or is not a regular file or block device.
/// - EOPNOTSUPP: it was taken with x-ignore-shared, so it lacks part of the RAM.
/// - Also: any error of opening or reading it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_open(path: *const c_char) -> *mut UffdSnapshot {
    pointer(|| {
        // SAFETY: the caller's path is NULL or a NUL-terminated string.
        let path = unsafe { boundary::path(path, "path") }?;
        insert_snapshot(Snapshot::open(path)?)
    })
}

/// Opens a mapped-ram snapshot from a descriptor, which is duplicated. `offset` is where the stream starts in
/// the file (QEMU's file:...,offset=N). If the descriptor was opened with O_DIRECT, the file is opened again
/// without it, through /proc.
///
/// The duplicate is closed once the snapshot is closed and no load uses it any more. Linux then drops the
/// record locks (F_SETLK) that this process holds on the file.
///
/// errno on failure is that of uffd_snapshot_open(), or:
/// - EBADF: the descriptor is not open.
/// - EINVAL: a descriptor with O_DIRECT, whose file cannot be opened again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_open_fd(fd: c_int, offset: u64) -> *mut UffdSnapshot {
    pointer(|| {
        ensure!(fd >= 0, EBADF, "{fd} is not a file descriptor");
        // SAFETY: not negative; the caller keeps it open during the call, and a wrong one fails to be duplicated.
        let fd = unsafe { BorrowedFd::borrow_raw(fd as RawFd) };
        insert_snapshot(Snapshot::open_fd(fd, offset)?)
    })
}

/// Describes a RAM block of a snapshot; `index` counts from 0.
///
/// Errors:
/// - -ENOENT: there are not that many RAM blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_block(
    snap: *mut UffdSnapshot,
    index: usize,
    block: *mut UffdSnapshotBlock,
) -> c_int {
    status(|| {
        let open = snapshot(snap)?;
        let (found, name) = (open.block(index)?, &open.names[index]);
        let out = UffdSnapshotBlock {
            size: 0,
            idstr: name.as_ptr(),
            length: found.length(),
            page_size: found.page_size(),
            data_bytes: found.data_bytes(),
        };
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        unsafe { structs::write(block, &out) }
    })
}

/// Finds the next run of data in a RAM block, from `offset` on; `index` counts from 0. A run is a range of bytes that
/// the file holds. All bytes between runs are zeros. If `offset` lies in a run, returns the rest of that run. Reads no
/// pages.
///
/// Errors:
/// - -ENOENT: there are not that many RAM blocks.
/// - -ENXIO: only zeros follow, or `offset` is at the block's end or beyond.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_next_data(
    snap: *mut UffdSnapshot,
    index: usize,
    offset: u64,
    run: *mut UffdSnapshotRun,
) -> c_int {
    status(|| {
        let open = snapshot(snap)?;
        let length = open.block(index)?.length();
        let found = open.snapshot.next_data(index, offset);
        let found = found.and_then(|data| open.snapshot.file_offset(index, data.start).zip(Some(data)));
        let (file_offset, data) =
            found.ok_or_else(|| error!(ENXIO, "there is no data at or behind {offset:#x}, of {length:#x} bytes"))?;
        let out = UffdSnapshotRun { size: 0, offset: data.start, length: data.end - data.start, file_offset };
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        unsafe { structs::write(run, &out) }
    })
}

/// Reads `length` bytes of a RAM block into `to`, from `offset` on; `index` counts from 0. Zeros are written, too. Reads
/// all bytes, or fails. Needs neither userfaultfd nor a mis: a VMM that may not use userfaultfd on this host can read
/// its RAM before the guest runs.
///
/// The caller must guarantee that no other thread uses the memory at `to` during the call, and that it is not armed
/// RAM. After an error, the contents of `to` are unspecified.
///
/// Errors:
/// - -ENOENT: there are not that many RAM blocks.
/// - -EINVAL: not all of the bytes are inside of the block; or `to` is NULL.
/// - -EIO: the file was truncated after it was opened, and data is missing.
/// - Also: any error of reading the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_read(
    snap: *mut UffdSnapshot,
    index: usize,
    offset: u64,
    to: *mut c_void,
    length: usize,
) -> c_int {
    status(|| {
        let open = snapshot(snap)?;
        // More than the block has is no length of any memory of the caller's.
        ensure!(
            length as u64 <= open.block(index)?.length(),
            EINVAL,
            "{length:#x} bytes are more than the RAM block has"
        );
        // SAFETY: the caller gives NULL or so many bytes of memory, which nobody else uses during the call.
        open.snapshot.read(index, offset, unsafe { boundary::bytes(to, length, "to") }?)
    })
}

/// Closes a snapshot. A load in progress keeps what it needs. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_snapshot_close(snap: *mut UffdSnapshot) {
    status(|| {
        SNAPSHOTS.remove(snap.addr());
        Ok(())
    });
}

/// Restores RAM from a snapshot. Empties every RAM block, arms the mis as uffd_setup_incoming() does, with the
/// snapshot as the source of pages, and starts to load in the background. Returns before the RAM is loaded:
/// from then on threads may touch the RAM, and each page arrives when it is needed. A NULL `config` selects the
/// defaults. `page_handler` and UFFD_INCOMING_PREEMPT are for postcopy and are ignored.
///
/// Blocks are matched by name. Zeros take no memory if possible: in shared RAM (memfd, tmpfs) and in hugetlbfs
/// they stay holes. A thread or a client that touches one gets a page of zeros. Long runs of zeros count as
/// received when the load begins, others when the load reaches them.
///
/// An unreadable page pauses the fault and loader threads until uffd_incoming_resume(); `event` and
/// uffd_incoming_wait() report the reason. With UFFD_INCOMING_POISON it is poisoned. It never becomes zeros.
/// uffd_incoming_cleanup() is refused until every page is in place or poisoned.
///
/// The caller must guarantee what uffd_setup_incoming() says about other accesses to the RAM. No device may
/// have pinned the RAM (VFIO, vDPA, io_uring's registered buffers): emptying detaches pinned pages, and the
/// device would continue to use those. Pin the RAM after the load, or use UFFD_LOAD_KEEP_PRESENT. Linux does
/// not report which pages are pinned.
///
/// These failures come before anything has changed:
/// - -EINVAL: flags that exclude each other (UFFD_LOAD_MAP_PRIVATE).
/// - -EINVAL: the snapshot and the mis differ in the names or lengths of their blocks; or more than 64 loader
///   threads.
/// - -EINVAL: RAM that cannot be emptied: locked memory (mlock), or a private mapping of a file that holds data
///   or is not open in this process.
/// - -EINVAL: RAM that maps the snapshot's own file, since loading would destroy the snapshot. With
///   UFFD_LOAD_KEEP_PRESENT, a block may map its own bytes of a flat image: they are present.
/// - -EPERM: the memfd of a block is sealed (F_SEAL_FUTURE_WRITE) and cannot be emptied.
/// - -EOPNOTSUPP: emptying needs /proc/thread-self/maps. Without /proc, use UFFD_LOAD_KEEP_PRESENT and RAM that
///   is empty.
///
/// Other errors are those of uffd_setup_incoming(), and of creating a file beside `working_set_record`. They
/// also leave nothing behind, but the RAM may have been emptied.
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
                | UFFD_LOAD_NO_ZERO_SCAN
                | UFFD_LOAD_NO_READERS
                | UFFD_LOAD_MAP_PRIVATE;
            ensure!(config.flags & !FLAGS == 0, EINVAL, "unknown flag {:#x} in UffdLoadConfig", config.flags & !FLAGS);
            ensure!(config.reserved == 0, EINVAL, "UffdLoadConfig.reserved is not 0");
            LoadConfig {
                keep_present: config.flags & UFFD_LOAD_KEEP_PRESENT != 0,
                background: config.flags & UFFD_LOAD_NO_BACKGROUND == 0,
                direct_io: config.flags & UFFD_LOAD_DIRECT_IO != 0,
                zero_scan: config.flags & UFFD_LOAD_NO_ZERO_SCAN == 0,
                no_huge_pages: config.flags & UFFD_LOAD_NO_HUGE_PAGES != 0,
                map_private: config.flags & UFFD_LOAD_MAP_PRIVATE != 0,
                loader_threads: config.loader_threads,
                no_readers: config.flags & UFFD_LOAD_NO_READERS != 0,
                reader_threads: config.reader_threads,
                channels: config.channels,
                // SAFETY: the caller's paths are NULL or NUL-terminated strings.
                working_set_record: unsafe { path(config.working_set_record, "working_set_record") }?,
                // SAFETY: see above.
                working_set_replay: unsafe { path(config.working_set_replay, "working_set_replay") }?,
            }
        };
        load(&incoming, &open.snapshot, &config)
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
