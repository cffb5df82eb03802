//! What goes before each system call: there tests make it fail. See `injection`, which is built with the feature
//! `fault-injection` only; without it, nothing of this is left in the program.

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
/// that is `less`.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(super) fn before_bytes(_: Call, length: usize, _less: usize) -> nix::Result<usize> {
    Ok(length)
}
