//! What goes before each system call: there tests make it fail. See `injection`, which is built with the feature
//! `fault-injection` only; without it, nothing of this is left in the program.

use std::{fs, io};

use nix::errno::Errno;

pub(super) use super::call::Call;
#[cfg(feature = "fault-injection")]
pub(super) use super::injection::{before, before_bytes};

/// This call is about to be made: fails where it is to fail.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(super) fn before(_: Call) -> nix::Result<()> {
    Ok(())
}

/// This call is about to be made for `length` bytes: for how many it is to be made. Where it is to do less than it could,
/// that is what `less` gives.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(super) fn before_bytes(_: Call, length: usize, _less: impl FnOnce() -> usize) -> nix::Result<usize> {
    Ok(length)
}

/// Makes a call, and makes it again when a signal interrupts it.
pub(super) fn uninterrupted<T>(call: Call, mut make: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match before(call).and_then(|()| make()) {
            Err(Errno::EINTR) => {}
            made => return made,
        }
    }
}

/// Reads a text that the kernel gives as a file.
pub(super) fn read_text(call: Call, path: &str) -> io::Result<String> {
    before(call)?;
    fs::read_to_string(path)
}
