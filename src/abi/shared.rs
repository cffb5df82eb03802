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

/// Serves the userfaultfd of another process that maps the same RAM (a vhost-user back end), from now on and in every
/// set-up, until it is removed. The struct is copied; the descriptor (which is made non-blocking) and the name stay the
/// caller's, and stay as they are until uffd_incoming_remove_shared_fd() or _detach() has returned. The RAM blocks it maps
/// must be shared memory. -EINVAL: no handler or no waker; -EBADF: not an open descriptor; -EEXIST: it is served already.
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
        // SAFETY: NULL or a NUL-terminated string, says the header.
        let name = unsafe { text(shared.idstr, "UffdSharedFd.idstr") }.unwrap_or("").to_owned();
        let fd = shared.fd;
        let client = CShared { name, handler, waker, shared: UnsafeCell::new(shared) };
        // SAFETY: not negative; the header says that it stays open until it is removed.
        unsafe { incoming.add_shared_fd(BorrowedFd::borrow_raw(fd), Arc::new(client)) }?;
        Ok(0)
    })
}

/// Stops serving a shared descriptor, at any time: afterwards none of its callbacks runs, and it may be closed. Waits for
/// a running one, never for a pause. From within a callback it cannot wait: there, a callback on another thread may still
/// run, so close the descriptor later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_remove_shared_fd(mis: *mut MigrationIncomingState, fd: c_int) -> c_int {
    status(|| {
        incoming(mis)?.remove_shared_fd(fd)?;
        Ok(0)
    })
}

/// For the handler of a shared descriptor: its client touched, at its own address `client_addr`, the page that holds the
/// byte at `offset` of `rb`. Only notes it: a fault thread, so not during a pause, wakes the client if the page is in place,
/// and otherwise asks for it like any other; the `waker`s are called once it is placed. -EINVAL: `offset` is beyond the
/// block, or the mis is not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_request_shared_page(
    mis: *mut MigrationIncomingState,
    fd: c_int,
    rb: *mut RAMBlock,
    client_addr: u64,
    offset: u64,
) -> c_int {
    status(|| {
        incoming(mis)?.request_shared_page(fd, block_id(rb)?, client_addr, offset)?;
        Ok(0)
    })
}

/// Calls the waker of every shared descriptor for the page at `offset` of `rb`. Whoever places a page need not: every
/// placing does so by itself. Also while not armed. Returns the first failure of a waker, after all have been called.
/// -EINVAL: `offset` is beyond the block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_notify_shared_wake(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    offset: u64,
) -> c_int {
    status(|| {
        incoming(mis)?.notify_shared_wake(block_id(rb)?, offset)?;
        Ok(0)
    })
}

/// Wakes the client of a shared descriptor where it waits, at its own address `client_addr`, for a page of `rb`: for a
/// `waker`, and for who takes a client over. Also while not armed. Fails with what UFFDIO_WAKE said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_wake_shared(
    mis: *mut MigrationIncomingState,
    fd: c_int,
    rb: *mut RAMBlock,
    client_addr: u64,
) -> c_int {
    status(|| {
        incoming(mis)?.wake_shared(fd, block_id(rb)?, client_addr)?;
        Ok(0)
    })
}

/// A C caller's shared descriptor: our copy of its struct, which its callbacks are given.
struct CShared {
    name: String,
    handler: unsafe extern "C" fn(*mut UffdSharedFd, *mut c_void) -> c_int,
    waker: unsafe extern "C" fn(*mut UffdSharedFd, *mut RAMBlock, u64) -> c_int,
    shared: UnsafeCell<UffdSharedFd>,
}

// SAFETY: the struct behind the cell is the callbacks' own: Rust only passes its address on.
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
