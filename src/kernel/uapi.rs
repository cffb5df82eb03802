//! What `userfaultfd-sys` lacks because the build host's headers may be older than it, from linux/userfaultfd.h; and what
//! libc lacks.

/// `USERFAULTFD_IOC_NEW` on /dev/userfaultfd, Linux 6.1: `_IO(0xAA, 0x00)`.
pub(super) const USERFAULTFD_IOC_NEW: nix::sys::ioctl::ioctl_num_type = nix::request_code_none!(0xAA, 0x00);

/// Flag of the system call and of `USERFAULTFD_IOC_NEW`, Linux 5.11.
pub(super) const UFFD_USER_MODE_ONLY: i32 = 1;

/// `_UFFDIO_CONTINUE`, Linux 5.13: the number of the ioctl.
pub(super) const _UFFDIO_CONTINUE: u8 = 0x07;

/// `struct uffdio_continue`, Linux 5.13.
#[allow(non_camel_case_types)]
#[repr(C)]
pub(super) struct uffdio_continue {
    pub range: userfaultfd_sys::uffdio_range,
    pub mode: u64,
    /// Out: the bytes that were mapped, or a negative errno value.
    pub mapped: i64,
}

/// `_UFFDIO_MOVE`, Linux 6.8: the number of the ioctl, and its bit in what a registration answers.
pub(super) const _UFFDIO_MOVE: u8 = 0x05;

/// `struct uffdio_move`, Linux 6.8.
#[allow(non_camel_case_types)]
#[repr(C)]
pub(super) struct uffdio_move {
    pub dst: u64,
    pub src: u64,
    pub len: u64,
    pub mode: u64,
    /// Out: the bytes that were moved, or a negative errno value.
    pub moved: i64,
}

/// `_UFFDIO_POISON`, Linux 6.6: the number of the ioctl, and its bit in what a registration answers.
pub(super) const _UFFDIO_POISON: u8 = 0x08;

/// `struct uffdio_poison`, Linux 6.6.
#[allow(non_camel_case_types)]
#[repr(C)]
pub(super) struct uffdio_poison {
    pub range: userfaultfd_sys::uffdio_range,
    pub mode: u64,
    /// Out: the bytes that were poisoned, or a negative errno value.
    pub updated: i64,
}

/// Flag of get_mempolicy(): the policy of the memory at an address.
pub(super) const MPOL_F_ADDR: libc::c_int = 1 << 1;

/// The number of cachestat(), Linux 6.5, on x86-64, aarch64 and most others; elsewhere there is no such call of that number.
pub(super) const SYS_CACHESTAT: libc::c_long = 451;

/// `struct cachestat_range`.
#[allow(non_camel_case_types)]
#[repr(C)]
pub(super) struct cachestat_range {
    pub off: u64,
    pub len: u64,
}

/// `struct cachestat`: numbers of pages.
#[allow(non_camel_case_types)]
#[derive(Default)]
#[repr(C)]
pub(super) struct cachestat {
    pub nr_cache: u64,
    pub nr_dirty: u64,
    pub nr_writeback: u64,
    pub nr_evicted: u64,
    pub nr_recently_evicted: u64,
}

const _: () = assert!(size_of::<uffdio_continue>() == 32);
const _: () = assert!(size_of::<uffdio_move>() == 40);
const _: () = assert!(size_of::<uffdio_poison>() == 32);
const _: () = assert!(size_of::<cachestat_range>() == 16);
const _: () = assert!(size_of::<cachestat>() == 40);
const _: () = assert!(size_of::<userfaultfd_sys::uffd_msg>() == 32);
const _: () = assert!(userfaultfd_sys::UFFDIO_COPY == nix::request_code_readwrite!(0xAA, 0x03, 40) as u32);
