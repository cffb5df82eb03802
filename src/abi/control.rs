//! Pausing and resuming, and the requests under way.

use std::ffi::{c_int, c_void};

use crate::abi::boundary::status;
use crate::abi::callbacks::rb as rb_of;
use crate::abi::handles::incoming;
use crate::abi::types::*;
use crate::error::error;

/// Pauses: returns once no handler runs and the background loader stands still (no read of the snapshot is under way), or
/// somebody has resumed. Faults queue. 0 also when paused already. -EINVAL when not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_pause(mis: *mut MigrationIncomingState) -> c_int {
    status(|| {
        incoming(mis)?.pause()?;
        Ok(0)
    })
}

/// Ends a pause, whether uffd_incoming_pause() or a failed handler began it; what failed is asked for again. 0 also
/// when not paused: a handler call that is running meanwhile is then, if it fails, repeated at once. -EINVAL when not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_resume(mis: *mut MigrationIncomingState) -> c_int {
    status(|| {
        incoming(mis)?.resume()?;
        Ok(0)
    })
}

/// Wakes the fault threads to look again. Harmless at any time. -EINVAL when not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_notify(mis: *mut MigrationIncomingState) -> c_int {
    status(|| {
        incoming(mis)?.notify()?;
        Ok(0)
    })
}

/// Calls `each` for every page that the handler was asked for and that has not been placed yet, on this thread: what
/// to ask a source for again after a connection was lost. Pause first for a picture that stands still. A non-zero value
/// of `each` ends it and is returned. `opaque` is passed on. The list is made first: a block that is removed meanwhile may
/// still be in it. -EINVAL when not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_foreach_requested(
    mis: *mut MigrationIncomingState,
    each: Option<
        unsafe extern "C" fn(
            mis: *mut MigrationIncomingState,
            rb: *mut RAMBlock,
            offset: ram_addr_t,
            opaque: *mut c_void,
        ) -> c_int,
    >,
    opaque: *mut c_void,
) -> c_int {
    status(|| {
        let incoming = incoming(mis)?;
        let each = each.ok_or_else(|| error!(EINVAL, "each is NULL"))?;
        for (id, offset) in incoming.requested()? {
            // SAFETY: the caller gave this function for these arguments, to be called on its own thread.
            let returned = unsafe { each(mis, rb_of(id), offset as ram_addr_t, opaque) };
            if returned != 0 {
                return Ok(returned);
            }
        }
        Ok(0)
    })
}

/// Waits until a snapshot load has placed every page of RAM. 0 when it has, -ETIMEDOUT after `timeout_ms` milliseconds
/// (0: looks once; negative: never), the reason as a negative errno value as soon as the load stands paused because of a
/// failure (uffd_incoming_resume() goes on), -ECANCELED when it is aborted, -EIO when nothing is left to load and pages have
/// been poisoned (UFFD_INCOMING_POISON). A pause by uffd_incoming_pause() does not end it. -EINVAL when no snapshot is being
/// loaded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_wait(mis: *mut MigrationIncomingState, timeout_ms: c_int) -> c_int {
    status(|| {
        incoming(mis)?.wait(u64::try_from(timeout_ms).ok().map(std::time::Duration::from_millis))?;
        Ok(0)
    })
}
