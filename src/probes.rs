//! Static probes (USDT): places in the code that bpftrace, perf and the like can watch while a program runs. Where nobody
//! watches, each is one instruction that does nothing. docs/tracing.md lists them, for users.
//!
//! A probe is a note in the library's file, in the form of SystemTap's `sys/sdt.h`: where the instruction is, the probe's name, and in
//! which registers its arguments are.

/// A probe with arguments of 64 bits, unsigned.
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
macro_rules! probe {
    ($name:literal, $one:expr) => {
        note!($name, "8@{one}", one = $one)
    };
    ($name:literal, $one:expr, $two:expr) => {
        note!($name, "8@{one} 8@{two}", one = $one, two = $two)
    };
    ($name:literal, $one:expr, $two:expr, $three:expr) => {
        note!($name, "8@{one} 8@{two} 8@{three}", one = $one, two = $two, three = $three)
    };
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
macro_rules! note {
    ($($note:tt)*) => { note_of!([nomem, nostack, preserves_flags, att_syntax], $($note)*) };
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
macro_rules! note {
    ($($note:tt)*) => { note_of!([nomem, nostack, preserves_flags], $($note)*) };
}

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
macro_rules! note_of {
    ([$($option:ident),*], $name:literal, $arguments:literal, $($register:ident = $value:expr),*) => {
        // SAFETY: an instruction that does nothing, and a note that is not loaded. Registers are only read.
        unsafe {
            std::arch::asm!(
                "990: nop",
                // Type 3: the instruction, the base that tells a tracer of prelinking, no counter of watchers, and three strings.
                ".pushsection .note.stapsdt, \"?\", \"note\"",
                ".balign 4",
                ".4byte 992f-991f, 994f-993f, 3",
                "991: .asciz \"stapsdt\"",
                "992: .balign 4",
                "993: .8byte 990b, _.stapsdt.base, 0",
                ".asciz \"uffd_incoming\"",
                concat!(".asciz \"", $name, "\""),
                concat!(".asciz \"", $arguments, "\""),
                "994: .balign 4",
                ".popsection",
                ".ifndef _.stapsdt.base",
                ".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat",
                ".weak _.stapsdt.base",
                ".hidden _.stapsdt.base",
                "_.stapsdt.base: .space 1",
                ".size _.stapsdt.base, 1",
                ".popsection",
                ".endif",
                $($register = in(reg) $value,)*
                options($($option),*)
            );
        }
    };
}

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
macro_rules! probe {
    ($name:literal, $($argument:expr),*) => {
        $(let _: u64 = $argument;)*
    };
}

/// What a page was filled with.
#[derive(Clone, Copy)]
pub(crate) enum Placed {
    Copied = 0,
    Zeros = 1,
    Moved = 2,
}

/// A thread (0: unknown) has touched a missing page.
#[inline]
pub(crate) fn fault(thread: u32, address: usize) {
    probe!("fault", u64::from(thread), address as u64);
}

#[inline]
pub(crate) fn place(address: usize, length: usize, placed: Placed) {
    probe!("place", address as u64, length as u64, placed as u64);
}

/// The fault and loader threads pause. 0: a call asked for it.
#[inline]
pub(crate) fn pause(errno: i32) {
    probe!("pause", u64::from(errno.unsigned_abs()));
}

/// A pause ends, at the request of a call.
#[inline]
pub(crate) fn resume(resumes: u64) {
    probe!("resume", resumes);
}

/// Tracked memory was discarded.
#[inline]
pub(crate) fn discard(address: usize, length: usize) {
    probe!("discard", address as u64, length as u64);
}
