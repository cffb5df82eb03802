//! The file that holds the pages of a snapshot.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::error::{Error, Result, error, quoted};
use crate::kernel::file::{self, FileId};

/// An open file with its length and what messages call it.
#[derive(Debug)]
pub(crate) struct Image {
    descriptor: OwnedFd,
    name: String,
    length: u64,
}

impl Image {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::new(quoted(path), file::open_read_only(path))
    }

    pub(crate) fn duplicate(descriptor: BorrowedFd<'_>) -> Result<Self> {
        Self::new(format!("descriptor {}", descriptor.as_raw_fd()), file::duplicate(descriptor))
    }

    fn new(name: String, opened: Result<OwnedFd>) -> Result<Self> {
        let measured = opened.and_then(|descriptor| Ok((file::length(descriptor.as_fd())?, descriptor)));
        let (length, descriptor) = measured.map_err(|error| error.context(&name))?;
        Ok(Self { descriptor, name, length })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    pub(crate) fn id(&self) -> Result<FileId> {
        let id = FileId::of(self.descriptor());
        id.map_err(|errno| Error::os(errno, "fstat").context(&self.name))
    }

    /// What messages call the file: its path in quotes, or "descriptor N".
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file's length when it was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `to` with the bytes at `offset`. Errors do not name the file.
    pub(crate) fn read(&self, offset: u64, to: &mut [u8]) -> Result<()> {
        let length = to.len();
        let done = file::read_at(self.descriptor(), offset, to).map_err(|errno| {
            Error::os(errno, format_args!("reading {length} bytes at offset {offset:#x} of the file"))
        })?;
        if done < length {
            let end = file::length(self.descriptor()).unwrap_or(offset + done as u64);
            return Err(error!(
                EIO,
                "reading {length} bytes at offset {offset:#x} of the file: the file ended at {end:#x}: \
                 it was truncated while it was in use"
            ));
        }
        Ok(())
    }
}
