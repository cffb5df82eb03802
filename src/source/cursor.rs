//! Reads the fields of a stream one after the other: big-endian numbers and counted strings.

use super::image::Image;
use crate::error::{Result, error};

/// Where the reading of a file stands. It never reads past the file's end: that is an error which says what was
/// missing.
pub(crate) struct Cursor<'a> {
    image: &'a Image,
    position: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(image: &'a Image, position: u64) -> Self {
        Self { image, position }
    }

    /// The offset in the file of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at another offset, which is checked by the next read.
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    pub(crate) fn skip(&mut self, length: u64, what: &str) -> Result<()> {
        self.position = self.end_of(length, what)?;
        Ok(())
    }

    pub(crate) fn u8(&mut self, what: &str) -> Result<u8> {
        self.array(what).map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self, what: &str) -> Result<u16> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// A string behind a byte that counts its bytes.
    pub(crate) fn string(&mut self, what: &str) -> Result<String> {
        let mut text = vec![0; usize::from(self.u8(what)?)];
        self.bytes(&mut text, what)?;
        String::from_utf8(text).map_err(|error| {
            let text = error.as_bytes().escape_ascii();
            error!(EINVAL, "{what} '{text}' is not UTF-8")
        })
    }

    pub(crate) fn array<const LENGTH: usize>(&mut self, what: &str) -> Result<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        self.bytes(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(crate) fn bytes(&mut self, to: &mut [u8], what: &str) -> Result<()> {
        let end = self.end_of(to.len() as u64, what)?;
        self.image.read(self.position, to)?;
        self.position = end;
        Ok(())
    }

    /// Where the next `length` bytes end, all of which the file has.
    pub(crate) fn end_of(&self, length: u64, what: &str) -> Result<u64> {
        let end = self.position.checked_add(length).filter(|end| *end <= self.image.length());
        end.ok_or_else(|| {
            let (position, file) = (self.position, self.image.length());
            error!(
                EINVAL,
                "the file is truncated: it ends at {file:#x}, before the {length} bytes of {what} at {position:#x}"
            )
        })
    }
}
