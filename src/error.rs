//! The one error of this library: an errno value and the words that go with it.

use std::fmt::Write as _;
use std::path::Path;
use std::{fmt, io};

/// What failed, where, and what the user can do; with the errno value a C caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    errno: i32,
    message: String,
    /// See [`Error::is_of_host`].
    of_host: bool,
}

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a positive errno value (`libc::EINVAL`) and a message that says what and where.
    pub fn new(errno: i32, message: impl Into<String>) -> Self {
        Self { errno, message: message.into(), of_host: false }
    }

    /// A failed system call: the message gets the errno's own words appended.
    pub(crate) fn os(errno: impl Into<Errno>, what: impl fmt::Display) -> Self {
        let errno = errno.into();
        Self::new(errno.0, format!("{what}: {errno}"))
    }

    /// The same for what the standard library calls.
    pub(crate) fn io(error: &io::Error, what: impl fmt::Display) -> Self {
        Self::os(number_of(error), what)
    }

    /// The same error with what was being done put in front.
    pub fn context(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// The same error, known to be the host's whatever its errno value: see [`Error::is_of_host`].
    pub(crate) fn of_host(self) -> Self {
        Self { of_host: true, ..self }
    }

    /// Whether the host could not do its part (it has no memory, say, for a page or to read one): then nothing is wrong with a
    /// page's source.
    pub(crate) fn is_of_host(&self) -> bool {
        // No source says so: to read takes no room on it.
        self.of_host || matches!(self.errno, libc::ENOMEM | libc::ENOSPC)
    }

    /// The positive errno value.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// What failed, where, and what the user can do.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The kind is that of the errno value; the error itself is inside, with its words.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = io::Error::from_raw_os_error(error.errno).kind();
        io::Error::new(kind, error)
    }
}

/// For `?` in a page handler that reads a file or a socket: the errno value is the error's, or EIO if it has none. One of ours that
/// became an [`io::Error`] comes back as it was.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(|error| {
            let number = number_of(&error);
            let is_of_kernel = error.raw_os_error() == Some(number);
            Self::new(number, if is_of_kernel { Errno(number).to_string() } else { error.to_string() })
        })
    }
}

/// The errno value of an error; EIO if it has none, as for data that ends too early.
fn number_of(error: &io::Error) -> i32 {
    let number = error.raw_os_error().filter(|number| *number > 0);
    number.unwrap_or(match error.kind() {
        io::ErrorKind::OutOfMemory => libc::ENOMEM,
        io::ErrorKind::StorageFull => libc::ENOSPC,
        _ => libc::EIO,
    })
}

/// An errno value, positive. It prints as its symbol and description: `ENOENT (No such file or directory)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

macro_rules! constants {
    ($($name:ident)+) => {
        /// Those on which something is decided.
        impl Errno {
            $(pub(crate) const $name: Self = Self(libc::$name);)+
        }
    };
}

constants! { EAGAIN EBUSY EEXIST EFAULT EINTR EINVAL ENOENT ENOMEM ENOSPC ENOSYS EOPNOTSUPP EPERM ESRCH }

impl From<i32> for Errno {
    fn from(value: i32) -> Self {
        Self(value)
    }
}

impl From<nix::errno::Errno> for Errno {
    fn from(errno: nix::errno::Errno) -> Self {
        Self(errno as i32)
    }
}

impl From<Errno> for i32 {
    fn from(errno: Errno) -> Self {
        errno.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::errno::Errno::from_raw(self.0) {
            nix::errno::Errno::UnknownErrno => write!(f, "errno {}", self.0),
            known => write!(f, "{known:?} ({})", known.desc()),
        }
    }
}

/// A path as messages show it, which logs and terminals take unharmed: in quotes, with control characters and bytes that are no
/// UTF-8 escaped.
pub(crate) fn quoted(path: &Path) -> String {
    let mut shown = String::from("'");
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            let is_control = character.is_control();
            // Writing to a string cannot fail.
            let _ =
                if is_control { write!(shown, "{}", character.escape_debug()) } else { shown.write_char(character) };
        }
        let _ = write!(shown, "{}", chunk.invalid().escape_ascii());
    }
    shown.push('\'');
    shown
}

/// An empty list with room for so many items, or the error that there is no memory for what it is to hold.
pub(crate) fn with_room<T>(count: usize, what: impl fmt::Display) -> Result<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_| error!(ENOMEM, "no memory for {what}"))?;
    Ok(list)
}

/// Runs what must not unwind any further: a panic in it becomes an error.
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    // The caller goes on as after any other error, and what the panic leaves behind is not looked at.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    result.unwrap_or_else(|panic| {
        Err(error!(ENOTRECOVERABLE, "internal error, please report it: {}", panic_message(&*panic)))
    })
}

/// The words of a panic, as far as it has any.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without words")
}

/// `error!(EINVAL, "block '{}' ...", name)`: an [`Error`] from an errno name and a format string.
macro_rules! error {
    ($errno:ident, $($message:tt)+) => {
        $crate::error::Error::new(libc::$errno, format!($($message)+))
    };
}
pub(crate) use error;

/// Returns early with [`error!`] unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $errno:ident, $($message:tt)+) => {
        if !$condition {
            return Err($crate::error::error!($errno, $($message)+));
        }
    };
}
pub(crate) use ensure;

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn an_os_error_names_its_errno() {
        let error = Error::os(libc::ENOENT, "opening 'x'").context("loading");
        assert_eq!(error.errno(), libc::ENOENT);
        assert_eq!(error.to_string(), "loading: opening 'x': ENOENT (No such file or directory)");
    }

    #[test]
    fn an_error_of_the_standard_library_keeps_its_errno() {
        assert_eq!(Error::io(&io::Error::from_raw_os_error(libc::ENOSPC), "writing").errno(), libc::ENOSPC);
        assert_eq!(Error::io(&io::Error::from(io::ErrorKind::WriteZero), "writing").errno(), libc::EIO);
        assert_eq!(Error::io(&io::Error::from(io::ErrorKind::OutOfMemory), "reading").errno(), libc::ENOMEM);
    }

    #[test]
    fn an_error_of_the_standard_library_becomes_one_of_ours_and_the_other_way_round() {
        let error = Error::from(io::Error::from_raw_os_error(libc::ECONNRESET)).context("the source");
        assert_eq!(error.errno(), libc::ECONNRESET);
        assert_eq!(error.to_string(), "the source: ECONNRESET (Connection reset by peer)");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionReset);
        let error = Error::from(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is too short"));
        assert_eq!((error.errno(), error.message()), (libc::EIO, "the file is too short"));
        assert_eq!(Error::from(io::Error::from_raw_os_error(0)).errno(), libc::EIO);
        assert_eq!(Error::from(io::Error::from(io::ErrorKind::StorageFull)).errno(), libc::ENOSPC);
        let error = error!(EBUSY, "placing").of_host();
        assert_eq!(Error::from(io::Error::from(error.clone())), error);
    }

    #[test]
    fn a_lack_of_memory_is_the_hosts() {
        for errno in [libc::ENOMEM, libc::ENOSPC] {
            assert!(Error::os(errno, "reading").context("loading").is_of_host());
        }
        assert!(
            !Error::os(libc::EIO, "reading").is_of_host() && Error::os(libc::EIO, "placing").of_host().is_of_host()
        );
    }

    #[test]
    fn a_path_of_any_bytes_can_be_shown() {
        let path = OsStr::from_bytes(b"/tmp/\xc3\xa9 it's\x1b[2J\n\xff.mem");
        assert_eq!(quoted(Path::new(path)), "'/tmp/é it's\\u{1b}[2J\\n\\xff.mem'");
    }

    #[test]
    fn an_unknown_errno_still_prints() {
        assert_eq!(Errno(4242).to_string(), "errno 4242");
    }
}
