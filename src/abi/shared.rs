//! Shared descriptors: userfaultfds of other processes.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::abi::boundary::{status, text};
use crate::abi::callbacks::{check, rb as rb_of};
use crate::abi::handles::{block_id, incoming};
use crate::abi::types::*;
use crate::engine::SharedClient;
use crate::error::{Result, ensure, error};
use crate::kernel::SharedMessage;
use crate::memory::BlockId;

/// Serves the userfaultfd of a client, from now on and in every setup, until it is removed. A client is another
/// process that maps the same RAM, such as a vhost-user back end. The struct is copied, and the descriptor
/// becomes non-blocking.
///
/// The caller keeps the descriptor and the name, and must not close or change them until
/// uffd_incoming_remove_shared_fd() or uffd_incoming_detach() has returned. The RAM blocks that the client maps
/// must be shared memory.
///
/// Errors:
/// - -EINVAL: no handler or no waker.
/// - -EBADF: the descriptor is not open.
/// - -EEXIST: the descriptor is served already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_add_shared_fd(
    mis: *mut MigrationIncomingState,
    shared: *const UffdSharedFd,
) -> c_int {
    status(|| {
        let incoming = incoming(mis)?;
        ensure!(!shared.is_null() && shared.is_aligned(), EINVAL, "the shared descriptor is NULL or misaligned");
        // SAFETY: not NULL, and so a struct of the caller's.
        let shared = unsafe { shared.read() };
        ensure!(shared.fd >= 0, EBADF, "{} is not a file descriptor", shared.fd);
        let (Some(handler), Some(waker)) = (shared.handler, shared.waker) else {
            return Err(error!(EINVAL, "UffdSharedFd.handler or .waker is NULL"));
        };
        // SAFETY: the header says that it is NULL or a NUL-terminated string.
        let name = unsafe { text(shared.idstr, "UffdSharedFd.idstr") }.unwrap_or("").to_owned();
        let fd = shared.fd;
        let client = CShared { name, handler, waker, shared: UnsafeCell::new(shared) };
        // SAFETY: not negative; the header says that it stays open until it is removed.
        unsafe { incoming.add_shared_fd(BorrowedFd::borrow_raw(fd), Arc::new(client)) }
    })
}

/// Stops serving a shared descriptor, at any time. Waits for its running callbacks, never for a pause. After
/// the return none of its callbacks runs, and the caller may close it.
///
/// Within a callback this function does not wait: a callback may still run on another thread, so close the
/// descriptor later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_remove_shared_fd(mis: *mut MigrationIncomingState, fd: c_int) -> c_int {
    status(|| incoming(mis)?.remove_shared_fd(fd))
}

/// For the handler of a shared descriptor: tells the library that the client touched, at its own address
/// `client_addr`, the page at `offset` of `rb`. `offset` may point to any byte of the page. The call only
/// queues the request. A fault thread then wakes the client if the page is in place, and requests the page like
/// any other if it is not. Once the page is placed, the wakers are called. During a pause the request stays
/// queued.
///
/// Errors:
/// - -EINVAL: `offset` is beyond the block, or the mis is not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_request_shared_page(
    mis: *mut MigrationIncomingState,
    fd: c_int,
    rb: *mut RAMBlock,
    client_addr: u64,
    offset: u64,
) -> c_int {
    status(|| incoming(mis)?.request_shared_page(fd, block_id(rb)?, client_addr, offset))
}

/// Calls the waker of every shared descriptor for the page at `offset` of `rb`. Code that places pages need not
/// call it, since each placing function does so. May be called while not armed.
///
/// Returns 0, or the first failure of a waker, after all wakers have been called.
///
/// Errors:
/// - -EINVAL: `offset` is beyond the block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_notify_shared_wake(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    offset: u64,
) -> c_int {
    status(|| incoming(mis)?.notify_shared_wake(block_id(rb)?, offset))
}

/// Wakes the client of a shared descriptor that waits, at its own address `client_addr`, for a page of `rb`. It
/// is for wakers, and for a VMM that takes over a client. May be called while not armed. Fails with the error
/// of UFFDIO_WAKE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_wake_shared(
    mis: *mut MigrationIncomingState,
    fd: c_int,
    rb: *mut RAMBlock,
    client_addr: u64,
) -> c_int {
    status(|| incoming(mis)?.wake_shared(fd, block_id(rb)?, client_addr))
}

/// A C caller's shared descriptor. Its callbacks are passed `shared`, the library's copy of its struct.
struct CShared {
    name: String,
    handler: unsafe extern "C" fn(*mut UffdSharedFd, *mut c_void) -> c_int,
    waker: unsafe extern "C" fn(*mut UffdSharedFd, *mut RAMBlock, u64) -> c_int,
    shared: UnsafeCell<UffdSharedFd>,
}

// SAFETY: only the callbacks access the struct in the cell. Rust only passes its address on.
unsafe impl Send for CShared {}
// SAFETY: as for Send.
unsafe impl Sync for CShared {}

impl SharedClient for CShared {
    fn message(&self, message: &SharedMessage) -> Result<()> {
        // A copy: the handler may write to what it is given.
        let mut message = *message;
        // SAFETY: the caller gave this function for these arguments, to be called on any thread of the library.
        let returned = unsafe { (self.handler)(self.shared.get(), (&raw mut message).cast()) };
        check(returned, "the handler")
    }

    fn wake(&self, block: BlockId, offset: u64) -> Result<()> {
        // SAFETY: the caller gave this function for these arguments, to be called on any thread that places pages.
        let returned = unsafe { (self.waker)(self.shared.get(), rb_of(block), offset) };
        check(returned, "the waker")
    }

    fn name(&self) -> &str {
        &self.name
    }
}
