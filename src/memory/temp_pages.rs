//! Temporary pages: where a page's bytes are put together before it is placed.

use crate::error::{Result, error};
use crate::kernel::Mapping;

/// One page a channel, and a page of zeros, each of the largest block page size.
#[derive(Debug)]
pub(crate) struct TempPages {
    mapping: Mapping,
    page_size: usize,
    channels: usize,
}

impl TempPages {
    pub fn new(channels: u32, page_size: usize) -> Result<Self> {
        let channels = channels as usize;
        let length = channels.checked_add(1).and_then(|pages| pages.checked_mul(page_size));
        let length = length.ok_or_else(|| error!(ENOMEM, "{channels} temporary pages of {page_size} bytes"))?;
        let mapping = Mapping::new(length, &format!("{channels} temporary pages"))?;
        Ok(Self { mapping, page_size, channels })
    }

    /// A channel's page: writable, read and written by its user only. None beyond the channels.
    pub fn channel(&self, channel: u32) -> Option<*mut u8> {
        let channel = channel as usize;
        (channel < self.channels).then(|| self.mapping.as_ptr().wrapping_add(channel * self.page_size))
    }

    /// Zeros; they are never written to.
    pub fn zeros(&self) -> *const u8 {
        self.mapping.as_ptr().wrapping_add(self.channels * self.page_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_apart_and_end() {
        let pages = TempPages::new(2, 8192).unwrap();
        let (first, second) = (pages.channel(0).unwrap(), pages.channel(1).unwrap());
        assert_eq!(second.addr() - first.addr(), 8192);
        assert_eq!(pages.zeros().addr() - second.addr(), 8192);
        assert!(pages.channel(2).is_none());
        assert_eq!(pages.mapping.len(), 3 * 8192);
    }

    #[test]
    fn an_absurd_number_is_an_error() {
        assert_eq!(TempPages::new(u32::MAX, 1 << 30).unwrap_err().errno(), libc::ENOMEM);
    }
}
