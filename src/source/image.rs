//! The file that holds the pages of a snapshot.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::error::{Errno, Error, Result, error, quoted};
use crate::kernel::FileMapping;
use crate::kernel::file::{self, FileId};

/// An open file with its length and what messages call it.
#[derive(Debug)]
pub(crate) struct Image {
    descriptor: OwnedFd,
    name: String,
    length: u64,
    /// Its file system does not know what can be read at once.
    waits_always: AtomicBool,
    /// Made when that is found out.
    mapping: OnceLock<Option<FileMapping>>,
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
        Ok(Self { descriptor, name, length, waits_always: AtomicBool::new(false), mapping: OnceLock::new() })
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

    /// Fills `to` with as many of the bytes at `offset` as are in the page cache; how many, and none where that cannot be told.
    pub(crate) fn read_cached(&self, offset: u64, to: &mut [u8]) -> usize {
        if !self.waits_always.load(Relaxed) {
            match file::read_at_once(self.descriptor(), offset, to) {
                Ok(read) => return read,
                Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => self.waits_always.store(true, Relaxed),
                Err(_) => return 0,
            }
        }
        // As on tmpfs and FUSE. What is there now may be gone before it is read, but hardly ever is.
        let is_there = file::is_cached(self.descriptor(), offset, to.len()) && self.has_read(offset, to.len());
        if is_there { file::read_at(self.descriptor(), offset, to).unwrap_or(0) } else { 0 }
    }

    /// Whether what is in the page cache of these bytes has been read, and is not only going to be.
    fn has_read(&self, offset: u64, length: usize) -> bool {
        let mapping = self.mapping.get_or_init(|| FileMapping::of(self.descriptor(), self.length));
        mapping.as_ref().is_some_and(|mapping| mapping.has_read(offset, length))
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
