//! Pausing, resuming, waiting, and outstanding requests.

use std::ffi::{c_int, c_void};

use crate::abi::boundary::{number, status};
use crate::abi::callbacks::rb as rb_of;
use crate::abi::handles::incoming;
use crate::abi::types::*;
use crate::error::error;

/// Pauses the fault and loader threads. Faults queue. Returns 0 once no page handler runs and no read of the
/// snapshot is in progress, or once another thread has resumed. Also returns 0 if already paused.
///
/// Errors:
/// - -EINVAL: the mis is not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_pause(mis: *mut MigrationIncomingState) -> c_int {
    status(|| incoming(mis)?.pause())
}

/// Ends a pause, whether uffd_incoming_pause() or a failure began it. Failed requests and reads are repeated.
/// Also returns 0 if not paused: if a handler call that is running at this moment fails, it is then repeated at
/// once.
///
/// Errors:
/// - -EINVAL: the mis is not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_resume(mis: *mut MigrationIncomingState) -> c_int {
    status(|| incoming(mis)?.resume())
}

/// Wakes the fault threads, which then look for work. Harmless at any time.
///
/// Errors:
/// - -EINVAL: the mis is not armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_notify(mis: *mut MigrationIncomingState) -> c_int {
    status(|| incoming(mis)?.notify())
}

/// Calls `each` for every page that the page handler was asked for and that has not been placed, on this
/// thread. These are the pages to request again after a lost connection. `opaque` is passed on. A value other
/// than 0 from `each` ends the iteration and is returned.
///
/// The list is made before the first call, so a block that is removed meanwhile may still be in it. Pause first
/// to get a list that stays valid.
///
/// Errors:
/// - -EINVAL: the mis is not armed.
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
    number(|| {
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

/// Waits until a snapshot load has placed every page. `timeout_ms` is in milliseconds. 0: do not block;
/// negative: no timeout. A pause by uffd_incoming_pause() does not end the wait.
///
/// Returns 0 when every page is in place, or:
/// - -ETIMEDOUT: the timeout has expired.
/// - -ECANCELED: the load was aborted.
/// - -EIO: nothing is left to load, but pages have been poisoned (UFFD_INCOMING_POISON).
/// - -EINVAL: no snapshot is being loaded.
/// - Also: the reason of a pause after a failure, as soon as that pause begins. uffd_incoming_resume()
///   continues the load.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_wait(mis: *mut MigrationIncomingState, timeout_ms: c_int) -> c_int {
    status(|| incoming(mis)?.wait(u64::try_from(timeout_ms).ok().map(std::time::Duration::from_millis)))
}
