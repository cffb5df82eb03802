//! The path of every exported function: panics become -ENOTRECOVERABLE, errors become errno values, and their messages are
//! kept for `uffd_incoming_error()`.

use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Errno, Error, Result, caught, ensure, error};
use crate::kernel::Uncancelable;

/// The room for a message, with the NUL at its end.
const MESSAGE: usize = 2048;

/// What a message ends with that has no room.
const CUT: &str = "...";

thread_local! {
    /// Always at one place: a caller may still print the message before. Nothing is dropped when the thread ends, so it can be
    /// used until then.
    static LAST_ERROR: Cell<[u8; MESSAGE]> = const { Cell::new([0; MESSAGE]) };
}

/// Runs the body of an exported function that returns 0, or a negative errno value.
pub(super) fn status(body: impl FnOnce() -> Result<()>) -> c_int {
    number(|| body().map(|()| 0))
}

/// Runs the body of an exported function that returns a number, or a negative errno value.
pub(super) fn number(body: impl FnOnce() -> Result<c_int>) -> c_int {
    run(body).unwrap_or_else(|error| -error.errno())
}

/// Runs the body of an exported function that returns a pointer; NULL on failure, and errno is set.
pub(super) fn pointer<T>(body: impl FnOnce() -> Result<*mut T>) -> *mut T {
    run(body).unwrap_or_else(|error| {
        nix::errno::Errno::from_raw(error.errno()).set();
        std::ptr::null_mut()
    })
}

/// Runs the body of an exported function that looks on while others hang: it keeps no words, and leaves errno as it is.
pub(super) fn quiet(body: impl FnOnce() -> Result<(), Errno>) -> c_int {
    let errno = nix::errno::Errno::last_raw();
    let whole_call = Uncancelable::new();
    let status = caught(|| Ok(body().map_or_else(|errno| -c_int::from(errno), |()| 0)));
    drop(whole_call);
    nix::errno::Errno::set_raw(errno);
    status.unwrap_or_else(|error| -error.errno())
}

fn run<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    // pthread_cancel() would unwind the thread from within a system call, which Rust code does not support.
    let _whole_call = Uncancelable::new();
    // After a panic, shared state is behind locks that do not poison. Guest state is never half updated, since the kernel
    // holds it. So the caller may observe the state after unwinding.
    caught(body).inspect_err(remember)
}

fn remember(error: &Error) {
    let message = error.message();
    let (shown, end) =
        if message.len() < MESSAGE { (message, "") } else { (up_to(message, MESSAGE - 1 - CUT.len()), CUT) };
    LAST_ERROR.with(|last| {
        let last: &Cell<[u8]> = last;
        let bytes = shown.bytes().chain(end.bytes()).filter(|byte| *byte != 0);
        // The last byte stays NUL.
        last.as_slice_of_cells().iter().zip(bytes.chain([0])).for_each(|(to, byte)| to.set(byte));
    });
}

/// So many bytes of a text, or up to three less: whole characters.
fn up_to(text: &str, bytes: usize) -> &str {
    (bytes.saturating_sub(3)..=bytes).rev().find_map(|end| text.get(..end)).unwrap_or(text)
}

/// Where the message of this thread's last failure is, and of those to come.
pub(super) fn last_error() -> *const c_char {
    LAST_ERROR.with(|last| last.as_ptr().cast_const().cast())
}

/// # Safety
/// `string` is NULL or points to a NUL-terminated string that stays as it is during the call.
unsafe fn c_string<'a>(string: *const c_char, what: &str) -> Result<&'a CStr> {
    ensure!(!string.is_null(), EINVAL, "{what} is NULL");
    // SAFETY: not NULL, so it is a NUL-terminated string, by this function's contract.
    Ok(unsafe { CStr::from_ptr(string) })
}

/// Converts a C string argument to text.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that stays as it is during the call.
pub(super) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: this function's contract is the same.
    let text = unsafe { c_string(text, what) }?;
    text.to_str().map_err(|_| error!(EINVAL, "{what} is not UTF-8"))
}

/// Converts a C string argument to a path, which may be any bytes.
///
/// # Safety
/// `path` is NULL or points to a NUL-terminated string that stays as it is during the call.
pub(super) unsafe fn path<'a>(path: *const c_char, what: &str) -> Result<&'a Path> {
    // SAFETY: this function's contract is the same.
    let path = unsafe { c_string(path, what) }?;
    Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
}

/// Memory that the caller has us write to.
///
/// # Safety
/// `to` is NULL or the start of `length` bytes that may be written, and that nobody else uses as long as the result is used.
pub(super) unsafe fn bytes<'a>(to: *mut c_void, length: usize, what: &str) -> Result<&'a mut [u8]> {
    ensure!(!to.is_null(), EINVAL, "{what} is NULL");
    // SAFETY: not NULL, so these are bytes that only we use, by this function's contract.
    Ok(unsafe { std::slice::from_raw_parts_mut(to.cast(), length) })
}
