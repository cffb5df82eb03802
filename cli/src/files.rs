//! Files that are shown and written.

use std::error::Error;
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A path for a terminal.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

/// An error about this path.
pub fn failed(path: &Path, error: impl std::fmt::Display) -> Box<dyn Error> {
    format!("{}: {error}", shown(path)).into()
}

/// As many bytes of the start of a file, or all of a shorter one.
pub fn start(path: &Path, length: u64) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(length).read_to_end(&mut start));
    read.map(|_| start).map_err(|error| failed(path, error))
}

/// The directory that a path is in.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// A file that is written: all of it takes its place at once, or nothing does.
pub struct NewFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    pub fn new(path: &Path, content: &[u8]) -> Result<Self, Box<dyn Error>> {
        // As open() makes files; the umask takes bits away.
        let made = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(directory_of(path));
        let mut temporary = made.map_err(|error| failed(path, error))?;
        let written = temporary.write_all(content).and_then(|()| temporary.as_file().sync_all());
        written.map_err(|error| failed(path, error))?;
        Ok(Self { temporary, path: path.into() })
    }

    /// Where it is for now.
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Puts it in place. What exists is replaced only if that is `asked` for, and if it is a regular file that begins with `magic`: a
    /// slip of the hand costs nothing that matters.
    pub fn put(self, asked: bool, magic: &[u8]) -> Result<(), Box<dyn Error>> {
        let Self { temporary, path } = self;
        if !asked {
            let put = temporary.persist_noclobber(&path);
            return put.map(drop).map_err(|error| match error.error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    format!("{} exists: name another file, or give --force", shown(&path)).into()
                }
                _ => failed(&path, error.error),
            });
        }
        if let Ok(existing) = fs::symlink_metadata(&path) {
            let is_of_its_kind =
                || existing.size() == 0 || start(&path, magic.len() as u64).is_ok_and(|start| start == magic);
            if !existing.is_file() || !is_of_its_kind() {
                let magic = String::from_utf8_lossy(magic);
                return Err(failed(
                    &path,
                    format_args!("--force replaces only a file that begins with '{}'", magic.trim()),
                ));
            }
        }
        temporary.persist(&path).map(drop).map_err(|error| failed(&path, error.error))
    }
}
