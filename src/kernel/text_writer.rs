//! Text that goes to a descriptor without any memory being allocated.

use std::fmt;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::unistd::write;

use super::before::uninterrupted;
use super::call::Call;
use crate::error;

/// How much is written at once.
const BUFFER: usize = 1024;

pub(crate) struct TextWriter<'a> {
    to: BorrowedFd<'a>,
    buffer: [u8; BUFFER],
    used: usize,
    /// Why nothing more is written.
    failed: Option<Errno>,
}

impl<'a> TextWriter<'a> {
    pub fn new(to: BorrowedFd<'a>) -> Self {
        Self { to, buffer: [0; BUFFER], used: 0, failed: None }
    }

    /// Writes what is left, and says whether all was written.
    pub fn finish(mut self) -> Result<(), error::Errno> {
        self.flush();
        self.failed.map_or(Ok(()), |errno| Err(errno.into()))
    }

    fn flush(&mut self) {
        let mut from = 0;
        while from < self.used && self.failed.is_none() {
            match uninterrupted(Call::Write, || write(self.to, &self.buffer[from..self.used])) {
                Ok(0) => self.failed = Some(Errno::EIO),
                Ok(length) => from += length,
                Err(errno) => self.failed = Some(errno),
            }
        }
        self.used = 0;
    }
}

impl fmt::Write for TextWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut left = text.as_bytes();
        while !left.is_empty() && self.failed.is_none() {
            let length = left.len().min(BUFFER - self.used);
            self.buffer[self.used..self.used + length].copy_from_slice(&left[..length]);
            self.used += length;
            left = &left[length..];
            if self.used == BUFFER {
                self.flush();
            }
        }
        self.failed.map_or(Ok(()), |_| Err(fmt::Error))
    }
}
