//! Files behind mappings of the caller's: whether that of a private one holds data, and whether that of a shared one is sealed.

use std::fs;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

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
    /// Refuses a private mapping of a file that holds data.
    pub fn check_empty(&self) -> Result<()> {
        let Some(holds_data) = self.look(|file| self.holds_data(file)) else {
            return Err(error!(
                EINVAL,
                "it cannot be emptied for certain: it is a private mapping of a file that is not open here, and may hold \
                 data; keep the file open, or use anonymous memory"
            ));
        };
        let holds_data = holds_data.map_err(|errno| Error::os(errno, "looking for data in the file behind it"))?;
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
        // Where it cannot be told, punching a hole will fail.
        match self.look(|file| self.seal(file)).flatten() {
            Some(name) => Err(error!(
                EPERM,
                "it cannot be emptied: the memfd behind it is sealed ({name}), and no hole can be punched there; seal it after \
                 the load, or load with UFFD_LOAD_KEEP_PRESENT into a memfd that is empty"
            )),
            None => Ok(()),
        }
    }

    /// Looks at the file, if it can be come by.
    fn look<T>(&self, look: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        // Only what the process has not open is opened: closing any descriptor of a file releases all record locks that the
        // process holds on it (F_SETLK), and so neither is one of its own duplicated.
        match self.own_descriptor() {
            Some(own) => Some(look(own)),
            None => self.open().map(|opened| look(opened.as_fd())),
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

    /// Which seal keeps the file from being written to, if any does.
    fn seal(&self, file: BorrowedFd<'_>) -> Option<&'static str> {
        // A file that knows no seals has none.
        let seals = before(Call::Fcntl).and_then(|()| fcntl(file, FcntlArg::F_GET_SEALS)).unwrap_or(0);
        // As above.
        if FileId::of(file) != Ok(self.file) {
            return None;
        }
        let sealed = [(libc::F_SEAL_WRITE, "F_SEAL_WRITE"), (libc::F_SEAL_FUTURE_WRITE, "F_SEAL_FUTURE_WRITE")];
        sealed.into_iter().find(|(seal, _)| seals & seal != 0).map(|(_, name)| name)
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
