//! The system calls of the library, by name. Calls that give something back (close, munmap, unlink), and those whose failure means
//! nothing (an eventfd's counter, the signal mask), are not among them.

macro_rules! calls {
    ($($name:ident($words:literal): $($errno:ident)*;)+) => {
        /// A kind of system call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Call {
            $(#[doc = $words] $name,)+
        }

        #[cfg(feature = "fault-injection")]
        impl Call {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What it is in words.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }

            /// The errno values that it can fail with, without anything said by that: a hole (ENXIO of lseek), a page that is
            /// present (EEXIST of UFFDIO_COPY) or a kernel that is too old for it is an answer, and has to be true.
            pub fn errnos(self) -> &'static [nix::errno::Errno] {
                match self { $(Self::$name => &[$(nix::errno::Errno::$errno,)*],)+ }
            }
        }
    };
}

// A line for each: its name, its name in the manual, and with which errno values it fails.
calls! {
    OpenDevice("open of /dev/userfaultfd"): ENOENT EACCES EMFILE ENFILE ENOMEM;
    DeviceNew("USERFAULTFD_IOC_NEW"): EMFILE ENFILE ENOMEM EINVAL ENOTTY;
    Userfaultfd("userfaultfd"): EPERM ENOSYS EMFILE ENFILE ENOMEM EINVAL;
    Fcntl("fcntl"): EBADF EPERM;
    Api("UFFDIO_API"): EINVAL EPERM EFAULT;
    Register("UFFDIO_REGISTER"): EBUSY EINVAL ENOMEM EPERM EFAULT;
    Unregister("UFFDIO_UNREGISTER"): EINVAL ENOMEM EFAULT;
    Wake("UFFDIO_WAKE"): EINVAL EFAULT;
    Copy("UFFDIO_COPY"): EAGAIN EINTR ENOENT EINVAL EFAULT ENOMEM ENOSPC ESRCH;
    ZeroPage("UFFDIO_ZEROPAGE"): EAGAIN EINTR ENOENT EINVAL EFAULT ENOMEM ESRCH;
    Move("UFFDIO_MOVE"): EAGAIN EINTR EEXIST ENOENT EINVAL EBUSY EFAULT ENOMEM ESRCH;
    Continue("UFFDIO_CONTINUE"): EAGAIN EINTR ENOENT ENOMEM;
    Poison("UFFDIO_POISON"): EAGAIN EINTR ENOENT EFAULT ENOMEM ESRCH;
    ReadFaults("read of a userfaultfd"): EAGAIN EINTR EINVAL EFAULT EIO;
    ReadMessage("read of a shared descriptor"): EAGAIN EINTR EINVAL EFAULT EIO;
    Eventfd("eventfd"): EMFILE ENFILE ENOMEM ENODEV;
    Poll("poll"): EINTR EINVAL ENOMEM;
    Mmap("mmap, anonymous"): ENOMEM EAGAIN;
    MmapFile("mmap of a file"): ENODEV EACCES ENOMEM EAGAIN;
    Msync("msync"): ENOMEM EINVAL;
    Mincore("mincore"): ENOMEM EAGAIN EFAULT;
    MadviseHugePage("MADV_HUGEPAGE"): EINVAL ENOMEM EAGAIN;
    MadviseRemove("MADV_REMOVE"): EOPNOTSUPP EPERM ENOMEM EAGAIN;
    MadviseDontNeed("MADV_DONTNEED"): EINVAL ENOMEM EAGAIN;
    MadviseAgain("madvise, as before"): EINVAL ENOMEM EAGAIN;
    MadviseWillNeed("MADV_WILLNEED"): EBADF EIO ENOMEM EAGAIN;
    MadvisePopulate("MADV_POPULATE_READ"): EINTR EFAULT ENOMEM EHWPOISON EINVAL;
    ProcessVmReadv("process_vm_readv"): EFAULT ENOMEM ENOSYS EPERM;
    MadviseCold("MADV_COLD"): EINVAL ENOMEM EAGAIN;
    Munlock("munlock"): ENOMEM EPERM EAGAIN;
    ReadMaps("reading /proc/thread-self/maps"): EMFILE ENFILE ENOMEM EIO;
    ReadMostMappings("reading vm.max_map_count"): ENOENT EACCES EMFILE ENFILE ENOMEM EIO;
    ReadSmaps("reading /proc/thread-self/smaps"): ENOENT EACCES EMFILE ENFILE ENOMEM EIO;
    OpenPageMap("open of /proc/thread-self/pagemap"): ENOENT EACCES EPERM EMFILE ENFILE ENOMEM;
    ReadPageMap("pread of /proc/thread-self/pagemap"): EPERM ENOMEM EIO;
    ReadHugePageMode("reading /sys/kernel/mm/transparent_hugepage"): ENOENT EACCES EMFILE ENFILE ENOMEM EIO;
    ReadNodes("reading /sys/devices/system/node/online"): ENOENT EACCES EMFILE ENFILE ENOMEM EIO;
    GetMempolicy("get_mempolicy"): ENOSYS EPERM EINVAL EFAULT;
    ListDescriptors("reading /proc/thread-self/fd"): ENOENT EACCES EMFILE ENFILE ENOMEM EIO;
    Open("open"): EINTR ENOENT EACCES EPERM ELOOP EMFILE ENFILE ENOMEM EOVERFLOW ENODEV;
    Duplicate("fcntl(F_DUPFD_CLOEXEC)"): EMFILE EBADF;
    Fstat("fstat"): EIO ENOMEM EOVERFLOW EBADF;
    BlockDeviceLength("BLKGETSIZE64"): EIO ENOTTY;
    Fstatfs("fstatfs"): EIO ENOMEM EOVERFLOW;
    Fdatasync("fdatasync"): EINTR EROFS EINVAL EBADF EIO ENOSPC EDQUOT;
    Lseek("lseek"): EINVAL EOPNOTSUPP EIO EOVERFLOW;
    Pread("pread"): EINTR EAGAIN EIO EINVAL ENOMEM EISDIR;
    Fadvise("posix_fadvise"): EINTR EIO EINVAL ENOMEM;
    Preadv2("preadv2"): EINTR EAGAIN EIO EINVAL EOPNOTSUPP ENOSYS;
    CacheStat("cachestat"): ENOSYS EPERM EOPNOTSUPP EINVAL;
    OpenDirectory("open(O_DIRECTORY)"): EINTR ENOENT EACCES ENOTDIR ELOOP EMFILE ENFILE ENOMEM;
    ReadLink("readlink"): EACCES EIO ENOMEM;
    Lstat("fstatat"): EACCES EIO ENOMEM;
    Create("open(O_CREAT)"): ENOENT EACCES EEXIST EROFS ENOSPC EDQUOT EMFILE ENFILE ENOMEM;
    Write("write"): ENOSPC EDQUOT EFBIG EIO;
    Rename("rename"): EACCES EROFS ENOSPC EDQUOT EIO ENOENT;
    GetAffinity("sched_getaffinity"): EINVAL ESRCH EPERM;
    Tgkill("tgkill"): ESRCH EPERM;
    GetScheduler("sched_getscheduler"): ESRCH EPERM;
    SetAffinity("sched_setaffinity"): EINVAL ESRCH EPERM;
    Spawn("pthread_create"): EAGAIN ENOMEM EPERM;
}
