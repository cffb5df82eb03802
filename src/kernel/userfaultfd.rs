//! userfaultfd: opening it, registering memory, reading faults, placing pages.

use std::fs::OpenOptions;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use userfaultfd_sys as sys;

use super::before::{Call, before, before_bytes, uninterrupted};
use super::mapping::page_size;
use super::uapi;
use crate::error::{self, Error, Result, error};

/// The features that the UFFDIO_API handshake asks for: all of Linux 4.14.
const FEATURES: u64 =
    sys::UFFD_FEATURE_MISSING_SHMEM | sys::UFFD_FEATURE_MISSING_HUGETLBFS | sys::UFFD_FEATURE_THREAD_ID;

mod ioctls {
    use userfaultfd_sys::*;
    nix::ioctl_readwrite!(api, UFFDIO, _UFFDIO_API, uffdio_api);
    nix::ioctl_readwrite!(register, UFFDIO, _UFFDIO_REGISTER, uffdio_register);
    nix::ioctl_read!(unregister, UFFDIO, _UFFDIO_UNREGISTER, uffdio_range);
    nix::ioctl_read!(wake, UFFDIO, _UFFDIO_WAKE, uffdio_range);
    nix::ioctl_readwrite!(copy, UFFDIO, _UFFDIO_COPY, uffdio_copy);
    nix::ioctl_readwrite!(zeropage, UFFDIO, _UFFDIO_ZEROPAGE, uffdio_zeropage);
    nix::ioctl_readwrite!(move_pages, UFFDIO, super::uapi::_UFFDIO_MOVE, super::uapi::uffdio_move);
    nix::ioctl_readwrite!(map_in, UFFDIO, super::uapi::_UFFDIO_CONTINUE, super::uapi::uffdio_continue);
    nix::ioctl_readwrite!(poison, UFFDIO, super::uapi::_UFFDIO_POISON, super::uapi::uffdio_poison);
}

/// How to come by a userfaultfd: which flag says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Opening {
    /// One that also serves faults of the kernel's own accesses.
    Full = 0,
    /// One for faults of user mode only.
    UserModeOnly = uapi::UFFD_USER_MODE_ONLY,
}

/// A userfaultfd, closed when dropped. Closing it unregisters: what is missing then reads as zeros.
#[derive(Debug)]
pub(crate) struct Userfaultfd(OwnedFd);

/// What an ioctl that places pages did: how many bytes, and what stopped it before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub bytes: usize,
    pub stopped: Option<error::Errno>,
}

/// What can be done in a registered range beside copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Zero pages can be placed: everywhere but in hugetlbfs.
    pub zeropage: bool,
    /// The kernel knows UFFDIO_MOVE (Linux 6.8). Whether it moves into this memory shows when it is tried.
    pub moving: bool,
    /// The kernel knows UFFDIO_POISON (Linux 6.6).
    pub poisoning: bool,
}

/// A fault: which address, on which thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub address: usize,
    pub thread_id: u32,
}

/// How many messages one read() takes at most.
pub(crate) const BATCH: usize = 64;

impl Userfaultfd {
    /// Opens a descriptor: /dev/userfaultfd first, then the system call. UFFDIO_API has not been called on it.
    pub fn open(opening: Opening) -> Result<Self> {
        Self::open_device(opening)
            .or_else(|device| Self::open_syscall(opening).map_err(|syscall| cannot_open(opening, &device, &syscall)))
    }

    /// Opens a descriptor by /dev/userfaultfd (Linux 6.1).
    pub(super) fn open_device(opening: Opening) -> Result<Self> {
        const DEVICE: &str = "/dev/userfaultfd";
        let open = || {
            before(Call::OpenDevice)?;
            let device = OpenOptions::new().read(true).write(true).open(DEVICE)?;
            before(Call::DeviceNew)?;
            // SAFETY: this ioctl takes its flags by value and makes a new descriptor.
            let fd = unsafe { libc::ioctl(device.as_raw_fd(), uapi::USERFAULTFD_IOC_NEW as _, open_flags(opening)) };
            Ok(Self::adopt_new(fd)?)
        };
        open().map_err(|error: io::Error| Error::io(&error, format_args!("By {DEVICE}")))
    }

    /// Opens a descriptor by the system call.
    pub(super) fn open_syscall(opening: Opening) -> Result<Self> {
        let opened = before(Call::Userfaultfd).and_then(|()| {
            // SAFETY: this system call takes its flags by value and makes a new descriptor.
            let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, open_flags(opening)) };
            Self::adopt_new(fd as RawFd)
        });
        opened.map_err(|errno| Error::os(errno, "By the system call userfaultfd"))
    }

    fn adopt_new(fd: RawFd) -> nix::Result<Self> {
        Errno::result(fd)?;
        // SAFETY: the kernel just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes a descriptor that the caller has opened, on which UFFDIO_API has not been called.
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        set_blocking(fd.as_fd(), false)
            .and_then(|()| before(Call::Fcntl))
            .and_then(|()| fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)))
            .map_err(|errno| Error::os(errno, "the userfaultfd handed in cannot be used"))?;
        Ok(Self(fd))
    }

    /// The handshake, once a descriptor. With `removals`, a thread that discards registered memory waits until that has been read.
    pub fn handshake(&self, removals: bool) -> Result<()> {
        let features = FEATURES | if removals { sys::UFFD_FEATURE_EVENT_REMOVE } else { 0 };
        self.api(features).map(drop).map_err(|errno| match errno {
            Errno::EINVAL => error!(
                EINVAL,
                "the userfaultfd handshake (UFFDIO_API) was refused: Linux 4.14 or newer is needed, and a descriptor \
                 on which UFFDIO_API has not been called"
            ),
            Errno::EPERM => error!(EPERM, "the userfaultfd handshake (UFFDIO_API) was refused: EPERM"),
            errno => Error::os(errno, "the userfaultfd handshake (UFFDIO_API); is it a userfaultfd?"),
        })
    }

    /// The handshake for these features; which features the kernel has.
    pub(super) fn api(&self, features: u64) -> nix::Result<u64> {
        let mut api = sys::uffdio_api { api: sys::UFFD_API, features, ioctls: 0 };
        before(Call::Api)?;
        // SAFETY: `api` lives through the call, which reads and writes just it.
        unsafe { ioctls::api(self.raw(), &mut api) }?;
        Ok(api.features)
    }

    /// Whether a read() waits for messages, which poll() then cannot do.
    pub fn set_blocking(&self, is_blocking: bool) -> Result<(), error::Errno> {
        Ok(set_blocking(self.as_fd(), is_blocking)?)
    }

    /// Registers a range for missing pages.
    pub fn register(&self, start: usize, length: usize) -> Result<Abilities, error::Errno> {
        let range = sys::uffdio_range { start: start as u64, len: length as u64 };
        let mut register = sys::uffdio_register { range, mode: sys::UFFDIO_REGISTER_MODE_MISSING, ioctls: 0 };
        before(Call::Register)?;
        // SAFETY: `register` lives through the call, which reads and writes just it. Memory that is registered reads
        // the same as before, only later.
        unsafe { ioctls::register(self.raw(), &mut register) }?;
        Ok(Abilities {
            zeropage: register.ioctls & (1 << sys::_UFFDIO_ZEROPAGE) != 0,
            moving: register.ioctls & (1 << uapi::_UFFDIO_MOVE) != 0,
            poisoning: register.ioctls & (1 << uapi::_UFFDIO_POISON) != 0,
        })
    }

    /// Unregisters a range, and wakes the threads that wait in it: what is missing now reads as zeros.
    pub fn unregister(&self, start: usize, length: usize) -> Result<(), error::Errno> {
        let mut range = sys::uffdio_range { start: start as u64, len: length as u64 };
        before(Call::Unregister)?;
        // SAFETY: `range` lives through the call, which reads just it.
        unsafe { ioctls::unregister(self.raw(), &mut range) }?;
        // The kernel wakes before it keeps further faults out: one that comes in between would wait for ever.
        self.wake(start, length)
    }

    /// Wakes the threads that wait in a range.
    pub fn wake(&self, start: usize, length: usize) -> Result<(), error::Errno> {
        wake(self.as_fd(), start as u64, length as u64)
    }

    /// Fills missing pages from `from`, and wakes the threads that wait for them. The kernel reads the source, so a bad pointer is
    /// EFAULT; and it writes only into pages that are missing in registered memory.
    pub fn copy(&self, to: usize, from: *const u8, length: usize) -> Placed {
        place(Call::Copy, length, |length| {
            let (dst, src) = (to as u64, from.expose_provenance() as u64);
            let mut copy = sys::uffdio_copy { dst, src, len: length, mode: 0, copy: 0 };
            // SAFETY: `copy` lives through the call, which reads and writes just it; for the memory see above.
            let result = unsafe { ioctls::copy(self.raw(), &mut copy) };
            (result, copy.copy)
        })
    }

    /// Fills missing pages with zeros, and wakes the threads that wait for them.
    pub fn zeropage(&self, to: usize, length: usize) -> Placed {
        place(Call::ZeroPage, length, |length| {
            let range = sys::uffdio_range { start: to as u64, len: length };
            let mut zeropage = sys::uffdio_zeropage { range, mode: 0, zeropage: 0 };
            // SAFETY: `zeropage` lives through the call, which reads and writes just it; only missing pages are filled.
            let result = unsafe { ioctls::zeropage(self.raw(), &mut zeropage) };
            (result, zeropage.zeropage)
        })
    }

    /// Fills missing private anonymous pages with the pages of `from`, which are missing there afterwards and read as zeros:
    /// nothing is copied, and a huge page stays one. EINVAL, unless `from` is whole pages of private anonymous memory.
    pub fn move_pages(&self, to: usize, from: &mut [u8]) -> Placed {
        place(Call::Move, from.len(), |length| {
            let (dst, src) = (to as u64, from.as_mut_ptr().expose_provenance() as u64);
            let mut request = uapi::uffdio_move { dst, src, len: length, mode: 0, moved: 0 };
            // SAFETY: `request` lives through the call, which reads and writes just it, and replaces pages of `from`, which is
            // borrowed for writing.
            let result = unsafe { ioctls::move_pages(self.raw(), &mut request) };
            (result, request.moved)
        })
    }

    /// Maps shared pages that the file behind the memory holds, and wakes the threads that wait for them (Linux 5.13). EFAULT where it holds
    /// none.
    pub fn map_in(&self, at: usize, length: usize) -> Placed {
        place(Call::Continue, length, |length| {
            let range = sys::uffdio_range { start: at as u64, len: length };
            let mut request = uapi::uffdio_continue { range, mode: 0, mapped: 0 };
            // SAFETY: `request` lives through the call, which reads and writes just it; what is mapped is the caller's RAM.
            let result = unsafe { ioctls::map_in(self.raw(), &mut request) };
            (result, request.mapped)
        })
    }

    /// Makes missing pages ones at which every access is SIGBUS, and wakes the threads that wait for them. Filling them heals them.
    pub fn poison(&self, at: usize, length: usize) -> Placed {
        place(Call::Poison, length, |length| {
            let range = sys::uffdio_range { start: at as u64, len: length };
            let mut request = uapi::uffdio_poison { range, mode: 0, updated: 0 };
            // SAFETY: `request` lives through the call, which reads and writes just it; only missing pages change.
            let result = unsafe { ioctls::poison(self.raw(), &mut request) };
            (result, request.updated)
        })
    }

    /// Reads the faults that wait, at most as many as there is room, and adds to `removed` what a thread is about to discard,
    /// if the handshake asked for that; how many faults.
    pub fn read(&self, messages: &mut [Message; BATCH], removed: &mut Vec<Range<usize>>) -> Result<usize> {
        let mut raw = [const { MaybeUninit::<sys::uffd_msg>::uninit() }; BATCH];
        let read = uninterrupted(Call::ReadFaults, || {
            // SAFETY: the kernel writes at most the size of `raw` into it.
            Errno::result(unsafe { libc::read(self.raw(), raw.as_mut_ptr().cast(), size_of_val(&raw)) })
        });
        let bytes = match read {
            Ok(bytes) => bytes as usize,
            Err(Errno::EAGAIN) => return Ok(0),
            Err(errno) => return Err(Error::os(errno, "reading faults from the userfaultfd")),
        };
        let mut count = 0;
        for raw in &raw[..bytes / size_of::<sys::uffd_msg>()] {
            // SAFETY: the kernel filled these messages in, whole ones only.
            let raw = unsafe { raw.assume_init_ref() };
            match raw.event {
                sys::UFFD_EVENT_PAGEFAULT => {
                    // SAFETY: the event says which arm of the union is meant.
                    let fault = unsafe { raw.arg.pagefault };
                    // SAFETY: UFFD_FEATURE_THREAD_ID was asked for, so the thread id is there.
                    let thread_id = unsafe { fault.feat.ptid };
                    messages[count] = Message { address: fault.address as usize, thread_id };
                    count += 1;
                }
                sys::UFFD_EVENT_REMOVE => {
                    // SAFETY: the event says which arm of the union is meant.
                    let remove = unsafe { raw.arg.remove };
                    removed.push(remove.start as usize..remove.end as usize);
                }
                // No other event was asked for in the handshake.
                _ => {}
            }
        }
        Ok(count)
    }

    fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Userfaultfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Wakes the threads that wait in a range of the process whose userfaultfd it is.
pub(crate) fn wake(uffd: BorrowedFd<'_>, start: u64, length: u64) -> Result<(), error::Errno> {
    let mut range = sys::uffdio_range { start, len: length };
    before(Call::Wake)?;
    // SAFETY: `range` lives through the call, which reads just it.
    unsafe { ioctls::wake(uffd.as_raw_fd(), &mut range) }?;
    Ok(())
}

/// On a userfaultfd whose read() waits, poll() reports an error.
pub(crate) fn set_blocking(fd: BorrowedFd<'_>, is_blocking: bool) -> nix::Result<()> {
    before(Call::Fcntl)?;
    let mut flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    flags.set(OFlag::O_NONBLOCK, !is_blocking);
    fcntl(fd, FcntlArg::F_SETFL(flags)).map(drop)
}

/// A message of another process's userfaultfd, as the kernel wrote it: what it means is that process's affair.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct SharedMessage(sys::uffd_msg);

impl SharedMessage {
    /// Reads a message, if there is one.
    pub(crate) fn read(uffd: BorrowedFd<'_>) -> Result<Option<Self>, error::Errno> {
        let mut raw = MaybeUninit::<sys::uffd_msg>::uninit();
        let read = before(Call::ReadMessage).and_then(|()| {
            // SAFETY: the kernel writes at most the size of `raw` into it.
            Errno::result(unsafe { libc::read(uffd.as_raw_fd(), raw.as_mut_ptr().cast(), size_of_val(&raw)) })
        });
        match read {
            // SAFETY: the kernel has filled it in.
            Ok(bytes) if bytes as usize == size_of_val(&raw) => Ok(Some(Self(unsafe { raw.assume_init() }))),
            Ok(_) => Err(Errno::EBADMSG.into()),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The address that was touched in the other process; none when it is not about a missing page.
    pub fn address(&self) -> Option<u64> {
        let is_fault = self.0.event == sys::UFFD_EVENT_PAGEFAULT;
        // SAFETY: the event says which arm of the union is meant, and all arms are plain numbers.
        if is_fault { Some(unsafe { self.0.arg.pagefault.address }) } else { None }
    }
}

/// Why neither way to a userfaultfd is open, and what to do.
fn cannot_open(opening: Opening, device: &Error, syscall: &Error) -> Error {
    let advice = match (opening, syscall.errno()) {
        (_, libc::ENOSYS) => "this kernel is built without userfaultfd, or a seccomp filter hides it",
        (Opening::Full, libc::EPERM) => {
            "to permit it, give this user access to the device (setfacl -m u:USER:rw /dev/userfaultfd), or set \
             the sysctl vm.unprivileged_userfaultfd=1, or grant CAP_SYS_PTRACE; or, where the kernel's own \
             accesses to missing RAM need not be served, ask for user mode faults only \
             (UFFD_INCOMING_USER_MODE_ONLY)"
        }
        (_, libc::EMFILE | libc::ENFILE) => "raise the limit on open files (ulimit -n)",
        _ => "see the reasons",
    };
    let reasons = format!("no userfaultfd can be opened. {device}. {syscall}. What to do: {advice}");
    Error::new(syscall.errno(), reasons)
}

fn open_flags(opening: Opening) -> i32 {
    libc::O_CLOEXEC | libc::O_NONBLOCK | opening as i32
}

/// Places pages by an ioctl, which gives its result, and what it wrote of how much was done. That is signed: what was
/// placed, or the negative errno value once more. Preset to 0 where the kernel wrote nothing.
fn place(call: Call, length: usize, ioctl: impl FnOnce(u64) -> (nix::Result<i32>, i64)) -> Placed {
    let allowed = match before_bytes(call, length, page_size) {
        Ok(allowed) => allowed,
        Err(errno) => return Placed { bytes: 0, stopped: Some(errno.into()) },
    };
    match ioctl(allowed as u64) {
        // The kernel stops like this where the memory changes meanwhile.
        (Ok(_), _) if allowed < length => Placed { bytes: allowed, stopped: Some(error::Errno::EAGAIN) },
        (Ok(_), _) => Placed { bytes: length, stopped: None },
        (Err(errno), done) => Placed { bytes: usize::try_from(done).unwrap_or(0), stopped: Some(errno.into()) },
    }
}
