//! Placing pages, and which pages are received.

use std::ffi::{c_int, c_uint, c_void};

use crate::abi::boundary::{number, pointer, status};
use crate::abi::handles::{block_id, incoming};
use crate::abi::types::*;

/// Places one page of `rb` at the host address `host` with the bytes at `from`, and wakes the threads that wait
/// for it. The page has the block's page size. A page that is present keeps its content, and the call succeeds.
/// May be called during a pause. Calls the wakers of shared descriptors on this thread, and `event` if this
/// page completes a load.
///
/// `host` must be aligned to the page size. `from` may be a temporary page. It must not be guest RAM that may
/// be missing, since the kernel would wait for that.
///
/// On failure the page is still missing:
/// - -EINVAL: `host` is misaligned or outside the block, or the mis is not armed.
/// - -ENOENT: the memory is no longer mapped, or the block is unknown.
/// - -EFAULT: `from` cannot be read.
/// - -ENOMEM, -ENOSPC: the host has no memory for the page. Nothing pauses; place the page again later.
/// - Also: any other error of the system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_place_page(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    host: *mut c_void,
    from: *const c_void,
) -> c_int {
    status(|| incoming(mis)?.place_page(block_id(rb)?, host.addr(), from.cast()))
}

/// Places one page of zeros, otherwise like uffd_incoming_place_page().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_place_zero_page(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    host: *mut c_void,
) -> c_int {
    status(|| incoming(mis)?.place_zero_page(block_id(rb)?, host.addr()))
}

/// Places `length` bytes like uffd_incoming_place_page(), with as few system calls as possible. `length` must
/// be a multiple of the block's page size, and not 0. Present pages in the range keep their content. After a
/// failure, all pages before the failed one have been placed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_place_range(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    host: *mut c_void,
    from: *const c_void,
    length: usize,
) -> c_int {
    status(|| incoming(mis)?.place_range(block_id(rb)?, host.addr(), from.cast(), length))
}

/// Returns the temporary page of a channel (0 to channels - 1). It is a buffer for one page of the largest
/// block page size, to receive data before placing it. The library owns it, and frees it in cleanup or abort.
/// NULL if the mis is not armed, or if there is no such channel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_temp_page(mis: *mut MigrationIncomingState, channel: c_uint) -> *mut c_void {
    pointer(|| Ok(incoming(mis)?.temp_page(channel)?.cast()))
}

/// Tells whether the page at `offset` has been placed or marked received. Returns 1 or 0, or a negative errno
/// value. `offset` may point to any byte of the page.
///
/// Errors:
/// - -EINVAL: `offset` is beyond the block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_page_received(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    offset: ram_addr_t,
) -> c_int {
    number(|| Ok(incoming(mis)?.page_received(block_id(rb)?, offset as u64)?.into()))
}

/// Marks pages received that are in place by other means, for example from precopy. Threads that wait for one
/// of these pages continue. A fault on one of them gets a zero page and never reaches the page handler. May be
/// called before the setup, in `ram_blocks` for example, and while armed. Cleanup forgets the marks.
///
/// `offset` and `length` must be multiples of the block's page size, and `length` must not be 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_mark_received(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    offset: ram_addr_t,
    length: usize,
) -> c_int {
    status(|| incoming(mis)?.mark_received(block_id(rb)?, offset as u64, length as u64))
}
