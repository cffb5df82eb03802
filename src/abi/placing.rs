//! Placing pages and asking which ones have been.

use std::ffi::{c_int, c_uint, c_void};

use crate::abi::boundary::{pointer, status};
use crate::abi::handles::{block_id, incoming};
use crate::abi::types::*;

/// Places one page of `rb`, of its block's page size, at the host address `host` (aligned to the page size) with the
/// bytes at `from`, and wakes who waits for it. A page that is present already stays as it is, which is success. Also while
/// paused. `from` may be a temporary page, but not guest RAM that may be missing: the kernel would wait for that. Calls the
/// wakers of shared descriptors, and `event` when that completes a load, on this thread.
///
/// -EINVAL: `host` is misaligned or outside the block, or the mis is not armed; -ENOENT, too: the memory is no longer
/// mapped; -EFAULT: `from` cannot be read; -ENOMEM, -ENOSPC: the host has no memory for it, which pauses nothing: place it
/// again later; otherwise what Linux said. The page is still missing then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_place_page(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    host: *mut c_void,
    from: *const c_void,
) -> c_int {
    status(|| {
        incoming(mis)?.place_page(block_id(rb)?, host.addr(), from.cast())?;
        Ok(0)
    })
}

/// Places one page of zeros, like uffd_incoming_place_page().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_place_zero_page(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    host: *mut c_void,
) -> c_int {
    status(|| {
        incoming(mis)?.place_zero_page(block_id(rb)?, host.addr())?;
        Ok(0)
    })
}

/// Places `length` bytes (a multiple of the block's page size, not 0) like uffd_incoming_place_page(), with as few system
/// calls as can be. Pages in the range that are present already stay as they are. After a failure the pages before
/// the one that failed have been placed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_place_range(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    host: *mut c_void,
    from: *const c_void,
    length: usize,
) -> c_int {
    status(|| {
        incoming(mis)?.place_range(block_id(rb)?, host.addr(), from.cast(), length)?;
        Ok(0)
    })
}

/// The temporary page of a channel (0 .. channels - 1): room for one page of the largest block page size, to receive
/// data into before it is placed. The library owns it; it lives until cleanup or abort. NULL when not armed, and
/// beyond the channels.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_temp_page(mis: *mut MigrationIncomingState, channel: c_uint) -> *mut c_void {
    pointer(|| Ok(incoming(mis)?.temp_page(channel)?.cast()))
}

/// Whether the page at `offset` has been placed or marked received: 1, 0, or a negative errno value. An offset within
/// a page stands for the page. -EINVAL: `offset` is beyond the block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_page_received(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    offset: ram_addr_t,
) -> c_int {
    status(|| Ok(incoming(mis)?.page_received(block_id(rb)?, offset as u64)?.into()))
}

/// Marks pages received that are in place by other means, e.g. what precopy brought: who waits for one of them goes on,
/// and a fault on one of them gets a zero page and never goes to the handler. `offset` and `length` are multiples of the
/// block's page size, `length` is not 0. Before the set-up (from `ram_blocks`, say) or while armed; cleanup forgets the marks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_mark_received(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    offset: ram_addr_t,
    length: usize,
) -> c_int {
    status(|| {
        incoming(mis)?.mark_received(block_id(rb)?, offset as u64, length as u64)?;
        Ok(0)
    })
}
