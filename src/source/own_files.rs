//! The files that a source reads, and that a load must not destroy: neither by emptying RAM that maps one, nor by writing the
//! record of a working set over one.

use std::ops::Range;
use std::sync::Arc;

use super::image::Image;
use crate::error::Result;
use crate::kernel::file::FileId;
use crate::kernel::{MappedFile, Maps};

/// The files of a source.
#[derive(Debug)]
pub(crate) struct OwnFiles {
    pub image: Arc<Image>,
    /// What is the source's own of the image.
    pub bytes: Box<[Range<u64>]>,
    /// The image, and what else the source has read.
    pub ids: Box<[FileId]>,
    /// For each block: where in the image its first byte is.
    pub starts: Box<[u64]>,
}

/// The image among the mappings of this process.
pub(crate) struct MappedImage<'a> {
    files: &'a OwnFiles,
    image: MappedFile,
}

impl OwnFiles {
    /// Whether a file is one of them.
    pub fn has(&self, file: FileId) -> bool {
        self.ids.contains(&file)
    }

    /// The image as it is mapped in this process. To be asked for before the list of mappings is read.
    pub fn mapped_image(&self) -> Result<MappedImage<'_>> {
        let image = MappedFile::new(self.image.descriptor()).map_err(|error| error.context(self.image.name()))?;
        Ok(MappedImage { files: self, image })
    }
}

impl MappedImage<'_> {
    /// Whether memory of `length` bytes at `host` maps bytes of the source. With `keep_present`, a block may map its own bytes:
    /// each page is its own source then, and stays as it is.
    pub fn is_mapped_at(&self, host: usize, length: usize, block: usize, keep_present: bool, maps: &Maps) -> bool {
        let start = self.files.starts[block];
        maps.files(host, length).any(|part| {
            let is_in_place = keep_present && part.bytes.start == start + (part.address - host as u64);
            let is_own = |own: &Range<u64>| own.start < part.bytes.end && part.bytes.start < own.end;
            self.image.is(part.file, maps) && self.files.bytes.iter().any(is_own) && !is_in_place
        })
    }
}
