//! Structs that cross the boundary. Each starts with its size, so that newer versions may append fields.

use std::mem::size_of;
use std::ptr;

use crate::abi::types::*;
use crate::error::{Result, ensure};

/// A struct of the header that starts with `size_t size` and is plain data.
///
/// # Safety
/// The type is `repr(C)`, starts with a `usize` that holds its size, and has no implicit padding. Any bit pattern is a
/// value of it, also all zeros.
pub(super) unsafe trait Versioned: Copy {
    /// Its name in messages.
    const NAME: &'static str;
    /// Its size in the first version of the header.
    const VERSION_1: usize;
}

macro_rules! sized {
    ($($type:ident: $first:expr $(; since: $added:expr)?),+ $(,)?) => { $(
        // SAFETY: repr(C) with `size` first, and then only integers, raw pointers and nullable function pointers;
        // the assertion proves that the fields leave no padding.
        unsafe impl Versioned for $type {
            const NAME: &'static str = stringify!($type);
            const VERSION_1: usize = $first;
        }
        const _: () = assert!(size_of::<$type>() == $first $(+ $added)?);
    )+ };
}

/// No version of a struct is larger. A larger size is a mistake, and the struct is not read.
const LARGEST: usize = 4096;

const WORD: usize = size_of::<usize>();

sized! {
    UffdIncomingConfig: WORD + 8 + 11 * WORD + 16; since: WORD,
    UffdRamBlock: 3 * WORD + 16,
    UffdIncomingStats: WORD + 9 * 8 + 24 * 8 + 16; since: 8 * 8,
    UffdIncomingBlockStats: WORD + 7 * 8,
    UffdIncomingBlocktime: WORD + 5 * 8 + 8 + 3 * WORD,
    UffdIncomingHost: WORD + 16 + 16 + 512,
    UffdLoadConfig: 3 * WORD + 8 + 8; since: 8,
    UffdSnapshotBlock: 2 * WORD + 24,
    UffdSnapshotRun: WORD + 24,
}

/// Copies a struct in. In a newer caller's longer struct, the additional bytes must be zero.
///
/// # Safety
/// `from` is NULL, or points to a readable `size_t` that says how many bytes are readable there.
pub(super) unsafe fn read<T: Versioned>(from: *const T) -> Result<T> {
    let size = size_of_callers(from)?;
    ensure!(size <= LARGEST, E2BIG, "{}.size is {size}: no version of it is larger than {LARGEST}", T::NAME);
    let known = size.min(size_of::<T>());
    // SAFETY: all zeros is a value of T, by the trait.
    let mut value: T = unsafe { std::mem::zeroed() };
    // SAFETY: `known` bytes are readable by this function's contract and fit into `value`.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), (&raw mut value).cast::<u8>(), known) };
    for at in size_of::<T>()..size {
        // SAFETY: `at` is below `size`, and `size` bytes are readable by this function's contract.
        let byte = unsafe { from.cast::<u8>().add(at).read() };
        ensure!(byte == 0, E2BIG, "{} asks, at byte {at}, for something this version does not have", T::NAME);
    }
    Ok(value)
}

/// Copies a struct out, up to the caller's size. The caller's `size` field stays.
///
/// # Safety
/// `to` is NULL, or points to a `size_t` that says how many bytes are readable and writable there.
pub(super) unsafe fn write<T: Versioned>(to: *mut T, value: &T) -> Result<()> {
    let size = size_of_callers(to)?.min(size_of::<T>());
    // SAFETY: the bytes behind the caller's `size` field, up to `size`, are writable by this function's contract.
    unsafe {
        let (from, to) = (ptr::from_ref(value).cast::<u8>(), to.cast::<u8>());
        ptr::copy_nonoverlapping(from.add(WORD), to.add(WORD), size - WORD);
    }
    Ok(())
}

/// The size a caller gave its struct, checked against the first version.
fn size_of_callers<T: Versioned>(pointer: *const T) -> Result<usize> {
    ensure!(!pointer.is_null(), EINVAL, "{} is NULL", T::NAME);
    ensure!(pointer.is_aligned(), EINVAL, "{} is not aligned", T::NAME);
    // SAFETY: not NULL and aligned; both callers' contract says that a size_t is readable here.
    let size = unsafe { pointer.cast::<usize>().read() };
    let (name, least) = (T::NAME, T::VERSION_1);
    ensure!(size >= least, EINVAL, "{name}.size is {size}, below {least}: set it to sizeof({name})");
    Ok(size)
}
