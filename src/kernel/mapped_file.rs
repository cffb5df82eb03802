//! A file that is looked for among the mappings of this process.

use std::os::fd::BorrowedFd;

use super::file::FileId;
use super::file_mapping::FileMapping;
use super::mapping::page_size;
use super::maps::Maps;
use crate::error::{Error, Result};

/// A file whose mappings are to be found among others. Some file systems (btrfs, overlayfs on older kernels) give stat() other
/// numbers than they show in a list of mappings; so the file is mapped here, too.
#[derive(Debug)]
pub(crate) struct MappedFile {
    id: FileId,
    /// Its first page. None where the file system maps nothing: it has no mapping to be found.
    page: Option<FileMapping>,
}

impl MappedFile {
    /// Before the list of mappings is read.
    pub fn new(file: BorrowedFd<'_>) -> Result<Self> {
        let id = FileId::of(file).map_err(|errno| Error::os(errno, "fstat"))?;
        Ok(Self { id, page: FileMapping::of(file, page_size() as u64) })
    }

    /// Whether a mapping is one of this file.
    pub fn is(&self, file: FileId, maps: &Maps) -> bool {
        let shown = self.page.as_ref().and_then(|page| maps.files(page.address(), 1).next());
        self.id == file || shown.is_some_and(|shown| shown.file == file)
    }
}
