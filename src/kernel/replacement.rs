//! A file that is to take another's place once all of it is written.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, readlink, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::before::{Call, before, uninterrupted};
use super::file::{FileId, kind_name, kind_of};
use crate::error::{Error, Result, ensure, quoted};

/// A file that is to take another's place (or to be the first of its name) once all of it is written. Until then, and if
/// it never is, the other one stays. There is a file beside it only while that is made sure of and while it is written: just a
/// process that is killed then leaves one behind.
#[derive(Debug)]
pub(crate) struct Replacement {
    /// Where it is to lie: wherever the process goes meanwhile.
    directory: OwnedFd,
    name: OsString,
    /// What messages call it.
    path: PathBuf,
}

/// How many names are tried for the file beside it: others of the process's id may have left some behind, or use them, since in
/// containers all VMMs may have the same.
const MOST_NAMES: u32 = 1000;

/// How many symbolic links the kernel follows.
const MOST_LINKS: u32 = 40;

impl Replacement {
    /// Makes sure that a file can be created there. Symbolic links are followed: what they name is replaced. What is there
    /// already has to be a regular file that `may_go`.
    pub fn new(path: &Path, may_go: impl Fn(FileId) -> Result<()>) -> Result<Self> {
        let target = follow_links(path)?;
        // Found out only in the end otherwise: no file can take a directory's place.
        let Some(name) = target.file_name().filter(|_| !target.is_dir()) else {
            return Err(failed(Errno::EISDIR, path, "creating"));
        };
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = uninterrupted(Call::OpenDirectory, || open(parent, flags, Mode::empty()))
            .map_err(|errno| failed(errno, path, "opening its directory"))?;
        let replacement = Self { directory, name: name.to_owned(), path: target.clone() };
        let status = |directory, name, flags| match before(Call::Lstat).and_then(|()| fstatat(directory, name, flags)) {
            Err(Errno::ENOENT) => Ok(None),
            found => found.map(Some).map_err(|errno| failed(errno, path, "looking for it")),
        };
        if let Some(meant) = status(AT_FDCWD, path.as_os_str(), AtFlags::empty())? {
            let kind = kind_of(&meant);
            let shown = quoted(path);
            ensure!(kind == SFlag::S_IFREG, EINVAL, "{shown} is a {}; a regular file is needed", kind_name(kind));
            // A name in /proc can lead to a file that has none elsewhere.
            let there = status(replacement.directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            let is_there = there.is_some_and(|there| FileId::from(&there) == FileId::from(&meant));
            ensure!(is_there, EINVAL, "{shown} leads to a file that has no name, and so cannot be replaced");
            may_go(FileId::from(&meant)).map_err(|error| error.context(shown))?;
        }
        let (_, temporary) = replacement.create()?;
        replacement.remove(&temporary);
        Ok(replacement)
    }

    /// Fills it, and puts it in its place.
    pub fn commit(self, bytes: &[u8]) -> Result<()> {
        let (mut file, temporary) = self.create()?;
        let written = before(Call::Write).map_err(io::Error::from).and_then(|()| file.write_all(bytes));
        let written = written.map_err(|error| Error::io(&error, format_args!("{}: writing", quoted(&self.path))));
        let replaced = written.and_then(|()| {
            before(Call::Rename)
                .and_then(|()| renameat(&self.directory, &*temporary, &self.directory, &*self.name))
                .map_err(|errno| failed(errno, &self.path, "replacing"))
        });
        replaced.inspect_err(|_| self.remove(&temporary))
    }

    /// A new file beside it.
    fn create(&self) -> Result<(File, OsString)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        // As for any new file: the process's umask says who may do what.
        let mode = Mode::from_bits_truncate(0o666);
        let mut tried = 0;
        loop {
            let mut temporary = self.name.clone();
            temporary.push(format!(".{}.{}", process::id(), NEXT.fetch_add(1, Relaxed)));
            tried += 1;
            match uninterrupted(Call::Create, || openat(&self.directory, &*temporary, flags, mode)) {
                Ok(file) => return Ok((file.into(), temporary)),
                Err(Errno::EEXIST) if tried < MOST_NAMES => {}
                Err(errno) => return Err(failed(errno, &self.path, "creating a file beside it")),
            }
        }
    }

    fn remove(&self, temporary: &OsStr) {
        let _ = unlinkat(&self.directory, temporary, UnlinkatFlags::NoRemoveDir);
    }
}

/// The name at the end of symbolic links, whether or not there is such a file.
fn follow_links(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match before(Call::ReadLink).and_then(|()| readlink(&path)) {
            // Relative to where the link lies.
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            // No link, or no file.
            Err(Errno::EINVAL | Errno::ENOENT | Errno::ENOTDIR) => return Ok(path),
            Err(errno) => return Err(failed(errno, &path, "reading the link")),
        }
    }
    Err(failed(Errno::ELOOP, &path, "following links"))
}

fn failed(errno: Errno, path: &Path, what: &str) -> Error {
    Error::os(errno, format_args!("{}: {what}", quoted(path)))
}
