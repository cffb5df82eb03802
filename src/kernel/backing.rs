//! Files behind mappings of the caller's: whether that of a private one holds data, and whether that of a shared one is sealed.

use std::fs;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use super::before::{Call, before};
use super::file::{FileId, keeping_position, next_data, open_read_only, position, status};
use crate::error::{self, Error, Result, ensure, error};

/// A mapping of a file that others can have open, too.
#[derive(Debug)]
pub(super) struct Backing {
    pub mapped: Range<u64>,
    /// Where in the file it starts.
    pub offset: u64,
    pub file: FileId,
}

impl Backing {
    pub fn check_empty(&self) -> Result<()> {
        let own = self.own_descriptor();
        // Only what the process has not open is opened: closing any descriptor of a file releases all record locks that the
        // process holds on it (F_SETLK), and so neither is one of its own duplicated.
        let opened = if own.is_none() { self.open() } else { None };
        let Some(file) = own.or(opened.as_ref().map(AsFd::as_fd)) else {
            return Err(error!(
                EINVAL,
                "it cannot be emptied for certain: it is a private mapping of a file that is not open here, and may hold \
                 data; keep the file open, or use anonymous memory"
            ));
        };
        let holds_data =
            self.holds_data(file).map_err(|errno| Error::os(errno, "looking for data in the file behind it"))?;
        ensure!(
            !holds_data,
            EINVAL,
            "it cannot be emptied: the file behind this private mapping holds data, which would be seen instead of the \
             snapshot's; use anonymous memory, or a file of its own that is empty"
        );
        Ok(())
    }

    /// Refuses a shared mapping of a memfd that is sealed against writing: no hole can be punched there.
    pub fn check_unsealed(&self) -> Result<()> {
        let own = self.own_descriptor();
        let opened = if own.is_none() { self.open() } else { None };
        // Where it cannot be told, punching a hole will fail.
        let Some(file) = own.or(opened.as_ref().map(AsFd::as_fd)) else { return Ok(()) };
        let seals = seals(file);
        if FileId::of(file) != Ok(self.file) {
            return Ok(());
        }
        let sealed = [(SealFlag::F_SEAL_WRITE, "F_SEAL_WRITE"), (F_SEAL_FUTURE_WRITE, "F_SEAL_FUTURE_WRITE")];
        match sealed.into_iter().find(|(seal, _)| seals.contains(*seal)) {
            Some((_, name)) => Err(error!(
                EPERM,
                "it cannot be emptied: the memfd behind it is sealed ({name}), and no hole can be punched there; seal it after \
                 the load, or load with UFFD_LOAD_KEEP_PRESENT into a memfd that is empty"
            )),
            None => Ok(()),
        }
    }

    fn holds_data(&self, file: BorrowedFd<'_>) -> Result<bool, error::Errno> {
        // hugetlbfs does not know where its data is, only how much.
        let is_empty = status(file)?.st_blocks == 0;
        let data = if is_empty { None } else { keeping_position(file, || next_data(file, self.offset))? };
        // One of the process's own may have been closed meanwhile, and its number mean another file.
        if FileId::of(file)? != self.file {
            return Err(Errno::EBADF.into());
        }
        let end = self.offset + (self.mapped.end - self.mapped.start);
        Ok(data.is_some_and(|data| data.start < end))
    }

    /// A descriptor of the process's own that is open for the file.
    fn own_descriptor(&self) -> Option<BorrowedFd<'_>> {
        before(Call::ListDescriptors).ok()?;
        let open = fs::read_dir("/proc/thread-self/fd").ok()?;
        let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // SAFETY: it is only looked at; at worst it is closed meanwhile, or means another file, which is found out.
        let mut files = numbers.map(|number| unsafe { BorrowedFd::borrow_raw(number) });
        files.find(|file| FileId::of(*file) == Ok(self.file) && position(*file).is_ok())
    }

    /// The file, as the kernel gives it to a privileged process.
    fn open(&self) -> Option<OwnedFd> {
        let name = format!("{:x}-{:x}", self.mapped.start, self.mapped.end);
        open_read_only(&Path::new("/proc/self/map_files").join(name)).ok()
    }
}

/// Not in every version of nix.
const F_SEAL_FUTURE_WRITE: SealFlag = SealFlag::from_bits_retain(libc::F_SEAL_FUTURE_WRITE);

/// None of a file that knows no seals.
fn seals(file: BorrowedFd<'_>) -> SealFlag {
    let seals = before(Call::Fcntl).and_then(|()| fcntl(file, FcntlArg::F_GET_SEALS));
    seals.map_or(SealFlag::empty(), SealFlag::from_bits_retain)
}
