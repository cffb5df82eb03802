//! Reports: statistics, blocktime, the host, the last error, the version.

use std::ffi::{c_char, c_int};
use std::fmt::Write;
use std::os::fd::BorrowedFd;

use crate::abi::boundary::{last_error, quiet, status};
use crate::abi::handles::{INCOMING, block_id, incoming};
use crate::abi::structs;
use crate::abi::types::*;
use crate::error::Result;
use crate::kernel::{self, Host, TextWriter};

/// Reads the counters of the current setup, or of the last one. They survive cleanup until the next setup or
/// detach. The counters are read one by one, and may change in between.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_get_stats(
    mis: *mut MigrationIncomingState,
    stats: *mut UffdIncomingStats,
) -> c_int {
    status(|| {
        let snapshot = incoming(mis)?.stats();
        let out = UffdIncomingStats {
            size: 0,
            faults: snapshot.faults,
            pages_placed: snapshot.pages_placed,
            zero_pages_placed: snapshot.zero_pages_placed,
            pages_requested: snapshot.pages_requested,
            source_errors: snapshot.source_errors,
            pages_poisoned: snapshot.pages_poisoned,
            bytes_total: snapshot.bytes_total,
            bytes_loaded: snapshot.bytes_loaded,
            fault_latency_ns_sum: snapshot.fault_latency_ns_sum,
            fault_latency_buckets: snapshot.fault_latency_buckets,
            fault_threads: snapshot.fault_threads,
            paused: snapshot.paused.into(),
            complete: snapshot.complete.into(),
            reserved: 0,
            bytes_mapped: snapshot.bytes_mapped,
            bytes_of_zeros: snapshot.bytes_of_zeros,
            bytes_moved: snapshot.bytes_moved,
            oldest_wait_ns: snapshot.oldest_wait_ns,
            threads_waiting: snapshot.threads_waiting.into(),
            bytes_read_cached: snapshot.bytes_read_cached,
            bytes_read_waiting: snapshot.bytes_read_waiting,
            bytes_read_on_demand: snapshot.bytes_read_on_demand,
        };
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        unsafe { structs::write(stats, &out) }
    })
}

/// Reads the progress of one RAM block, and how many threads wait for its pages. The fields are read one by one, and
/// may change in between. Takes time in proportion to the block's length: up to 1 ms for 64 GiB in pages of 4 KiB.
///
/// Errors:
/// - -ENOENT: `rb` was not added.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_get_block_stats(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    stats: *mut UffdIncomingBlockStats,
) -> c_int {
    status(|| {
        let block = incoming(mis)?.block_stats(block_id(rb)?)?;
        let out = UffdIncomingBlockStats {
            size: 0,
            length: block.length,
            page_size: block.page_size,
            bytes_received: block.bytes_received,
            pages_requested: block.pages_requested,
            pages_poisoned: block.pages_poisoned,
            threads_waiting: block.threads_waiting.into(),
            oldest_wait_ns: block.oldest_wait_ns,
        };
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        unsafe { structs::write(stats, &out) }
    })
}

/// Reads how long the vCPUs waited in the current setup, or in the last one. The values survive cleanup until
/// the next setup or detach. An array that is shorter than the number of vCPUs gets the first elements only; in
/// a longer one, the rest stays unchanged.
///
/// Errors:
/// - -EINVAL: blocktime was not asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_get_blocktime(
    mis: *mut MigrationIncomingState,
    blocktime: *mut UffdIncomingBlocktime,
) -> c_int {
    status(|| {
        let report = incoming(mis)?.blocktime()?;
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        let arrays = unsafe { structs::read(blocktime) }?;
        let capacity = arrays.vcpus as usize;
        let vcpus = &report.vcpus;
        // SAFETY: each array is NULL or has `capacity` elements, which the caller says in `vcpus`.
        unsafe {
            fill(arrays.vcpu_ns, capacity, vcpus.iter().map(|vcpu| vcpu.blocked_ns));
            fill(arrays.vcpu_faults, capacity, vcpus.iter().map(|vcpu| vcpu.faults));
            fill(arrays.vcpu_latency_ns, capacity, vcpus.iter().map(|vcpu| vcpu.mean_ns()));
        }
        let out = UffdIncomingBlocktime {
            total_ns: report.total_ns,
            faults_vcpu: report.all_vcpus().faults,
            faults_other: report.others.faults,
            latency_ns_vcpu: report.all_vcpus().mean_ns(),
            latency_ns_other: report.others.mean_ns(),
            vcpus: vcpus.len() as u32,
            reserved: 0,
            ..arrays
        };
        // SAFETY: as above.
        unsafe { structs::write(blocktime, &out) }
    })
}

/// # Safety
/// `array` is NULL or has room for `capacity` elements.
unsafe fn fill(array: *mut u64, capacity: usize, values: impl Iterator<Item = u64>) {
    if array.is_null() {
        return;
    }
    for (index, value) in values.take(capacity).enumerate() {
        // SAFETY: `index` is below the capacity.
        unsafe { array.add(index).write_unaligned(value) };
    }
}

/// Writes the state of a mis to the descriptor `fd` as text, to diagnose a VM that is stuck: a pause and its
/// reason, which threads wait for which pages and for how long, and how much of each RAM block is in place.
/// The text is not meant to be parsed, and may change in another version.
///
/// Any thread may call it at any time, such as one that watches the others. It takes no lock that it would
/// have to wait for, allocates no memory, and leaves errno and uffd_incoming_error() as they are. If another
/// thread holds the lock of a part, the text says so in place of that part. In a signal handler it works in
/// nearly all cases, but it may hang if the handler has interrupted this library, or malloc(), at the moment
/// that one thread wakes another: prefer a thread. `fd` must not block: other calls may wait meanwhile.
///
/// Errors:
/// - -ENOENT: the mis is not attached.
/// - -EBUSY: a thread is attaching or detaching a mis.
/// - Also: any error of write().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_dump(mis: *mut MigrationIncomingState, fd: c_int) -> c_int {
    quiet(|| {
        if fd < 0 {
            return Err(libc::EBADF.into());
        }
        // SAFETY: not -1, and the caller keeps it open during the call.
        let mut to = TextWriter::new(unsafe { BorrowedFd::borrow_raw(fd) });
        INCOMING.try_with(mis.addr(), |incoming| {
            let version = env!("CARGO_PKG_VERSION");
            // What could not be written is told by `finish`.
            let _ =
                writeln!(to, "uffd-incoming {version}, mis {:#x}", mis.addr()).and_then(|()| incoming.dump(&mut to));
        })?;
        to.finish()
    })
}

/// Finds out what this host supports for this process, and what to do if something is missing. Needs no mis.
/// Also returns 0 if no userfaultfd can be opened; `ways` is 0 then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_probe(host: *mut UffdIncomingHost) -> c_int {
    status(|| {
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        unsafe { structs::write(host, &describe(&kernel::probe())) }
    })
}

fn describe(host: &Host) -> UffdIncomingHost {
    let way = |result: &Result<()>, bit| if result.is_ok() { bit } else { 0 };
    let errno = |result: &Result<()>| result.as_ref().err().map_or(0, |error| -error.errno());
    let mut advice = [0; 512];
    // The last byte stays NUL.
    for (to, from) in advice.iter_mut().take(511).zip(host.advice().bytes()) {
        *to = from as c_char;
    }
    UffdIncomingHost {
        size: 0,
        ways: way(&host.device, UFFD_INCOMING_HOST_DEVICE)
            | way(&host.syscall, UFFD_INCOMING_HOST_SYSCALL)
            | way(&host.user_mode, UFFD_INCOMING_HOST_USER_MODE_ONLY),
        features: host.features,
        page_size: kernel::page_size() as u32,
        device_error: errno(&host.device),
        syscall_error: errno(&host.syscall),
        user_mode_error: errno(&host.user_mode),
        advice,
    }
}

/// Returns a description of this thread's last failure: what failed, where, and what to do. Never NULL; empty
/// if nothing has failed yet. The pointer is the same in each call and stays valid until the thread ends. The
/// next failure on this thread replaces the text. A text of more than 2047 bytes is cut off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_error() -> *const c_char {
    last_error()
}

/// Returns the library's version, "MAJOR.MINOR.PATCH".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
