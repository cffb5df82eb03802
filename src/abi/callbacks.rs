//! Adapts a C caller's callbacks to the traits of the Rust API.

use std::ffi::{CStr, CString, c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::with_exposed_provenance_mut;

use crate::abi::types::*;
use crate::engine::{AddRamBlock, Event, Hooks, LogLevel};
use crate::error::{Error, Result, error};
use crate::memory::BlockId;
use crate::source::{Fault, PageHandler};

/// A mis, to be passed to callbacks.
#[derive(Clone, Copy)]
pub(super) struct Mis(pub *mut MigrationIncomingState);

// SAFETY: the library never dereferences the pointer. It only passes it to callbacks; the header says on which threads they run.
unsafe impl Send for Mis {}
// SAFETY: as for Send.
unsafe impl Sync for Mis {}

/// The largest errno value of Linux.
const MOST_ERRNO: c_int = 4095;

/// Converts a callback's return value: 0 is success, a negative errno value is that error, and any other value is EIO.
pub(super) fn check(returned: c_int, what: &str) -> Result<()> {
    match returned {
        0 => Ok(()),
        errno if (-MOST_ERRNO..0).contains(&errno) => Err(Error::os(-errno, format_args!("{what} failed"))),
        other => Err(error!(EIO, "{what} failed with {other}, which is no negative errno value")),
    }
}

/// The caller's page handler.
pub(super) struct CHandler {
    pub mis: Mis,
    pub handler: unsafe extern "C" fn(*mut MigrationIncomingState, *mut RAMBlock, ram_addr_t, *mut c_void) -> c_int,
}

impl PageHandler for CHandler {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        let address = with_exposed_provenance_mut(fault.address());
        let offset = ram_addr_t::try_from(fault.offset()).map_err(|_| error!(EOVERFLOW, "offset beyond ram_addr_t"))?;
        // SAFETY: the caller gave this function for these arguments, to be called on any thread of the library.
        let returned = unsafe { (self.handler)(self.mis.0, rb(fault.block_id()), offset, address) };
        check(returned, "the page handler")
    }
}

/// A block's handle, to be passed to callbacks.
pub(super) fn rb(id: BlockId) -> *mut RAMBlock {
    with_exposed_provenance_mut(id.0)
}

/// The callbacks of an `UffdIncomingConfig`.
pub(super) struct CHooks {
    pub mis: Mis,
    pub config: UffdIncomingConfig,
}

/// Each call of a C function in the `impl` below is sound for the same reason. The caller gave the function in its
/// `UffdIncomingConfig`, with this signature, for the threads that the header names. Its arguments are the caller's own mis,
/// numbers, and strings that live through the call.
impl Hooks for CHooks {
    fn supplies_ram_blocks(&self) -> bool {
        self.config.ram_blocks.is_some()
    }

    fn ram_blocks(&self, _table: &dyn AddRamBlock) -> Result<()> {
        // SAFETY: see above.
        let returned = self.config.ram_blocks.map_or(0, |ram_blocks| unsafe { ram_blocks(self.mis.0) });
        check(returned, "the ram_blocks callback")
    }

    fn setup_done(&self) -> Result<()> {
        // SAFETY: see above.
        let returned = self.config.setup_done.map_or(0, |setup_done| unsafe { setup_done(self.mis.0) });
        check(returned, "the setup_done callback")
    }

    fn preempt_run(&self) {
        if let Some(preempt_run) = self.config.preempt_run {
            // SAFETY: see above.
            unsafe { preempt_run(self.mis.0) }
        }
    }

    fn preempt_quit(&self) {
        if let Some(preempt_quit) = self.config.preempt_quit {
            // SAFETY: see above.
            unsafe { preempt_quit(self.mis.0) }
        }
    }

    fn thread_start(&self, name: &CStr) {
        if let Some(thread_start) = self.config.thread_start {
            // SAFETY: see above.
            unsafe { thread_start(self.mis.0, name.as_ptr()) }
        }
    }

    fn thread_stop(&self, name: &CStr) {
        if let Some(thread_stop) = self.config.thread_stop {
            // SAFETY: see above.
            unsafe { thread_stop(self.mis.0, name.as_ptr()) }
        }
    }

    fn vcpu_index(&self, thread_id: u32) -> Option<u32> {
        // SAFETY: see above.
        let index = self.config.vcpu_index.map(|vcpu_index| unsafe { vcpu_index(self.mis.0, thread_id) })?;
        u32::try_from(index).ok()
    }

    fn wants_faults(&self) -> bool {
        self.config.fault.is_some()
    }

    fn fault(&self, block: BlockId, offset: u64, address: usize, thread_id: u32) {
        // Blocks are no longer than the address space.
        let (Some(fault), Ok(offset)) = (self.config.fault, ram_addr_t::try_from(offset)) else { return };
        // SAFETY: see above.
        unsafe { fault(self.mis.0, rb(block), offset, with_exposed_provenance_mut(address), thread_id) }
    }

    fn open_userfaultfd(&self) -> Option<Result<OwnedFd>> {
        // SAFETY: see above.
        let fd = self.config.open_userfaultfd.map(|open| unsafe { open(self.mis.0) })?;
        Some(if fd < 0 {
            check(fd, "the open_userfaultfd callback").and(Err(error!(EBADF, "no descriptor")))
        } else {
            // SAFETY: the callback's contract gives the library a descriptor to own.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        })
    }

    fn event(&self, event: &Event) {
        let Some(callback) = self.config.event else { return };
        let (what, error) = match event {
            Event::Paused(reason) => (UFFD_INCOMING_EVENT_PAUSED, reason.as_ref().map_or(0, |error| -error.errno())),
            Event::Resumed => (UFFD_INCOMING_EVENT_RESUMED, 0),
            Event::SourceError(error) => (UFFD_INCOMING_EVENT_SOURCE_ERROR, -error.errno()),
            Event::Complete => (UFFD_INCOMING_EVENT_COMPLETE, 0),
            Event::Poisoned(error) => (UFFD_INCOMING_EVENT_POISONED, -error.errno()),
        };
        // SAFETY: see above.
        unsafe { callback(self.mis.0, what, error) }
    }

    fn log(&self, level: LogLevel, message: &str) {
        let Some(log) = self.config.log else { return level.tell(message) };
        let level = match level {
            LogLevel::Error => UFFD_INCOMING_LOG_ERROR,
            LogLevel::Warning => UFFD_INCOMING_LOG_WARNING,
            LogLevel::Info => UFFD_INCOMING_LOG_INFO,
        };
        let message = CString::new(message.replace('\0', "")).map_err(io::Error::from).unwrap_or_default();
        // SAFETY: see above.
        unsafe { log(self.mis.0, level, message.as_ptr()) }
    }
}
