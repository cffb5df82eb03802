//! Files that are shown and written.

use std::error::Error;
use std::fs::{self, Permissions};
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

/// The start of a file; zeros behind the end of one that is shorter.
pub fn start<const LENGTH: usize>(path: &Path) -> Result<[u8; LENGTH], Box<dyn Error>> {
    let mut start = [0; LENGTH];
    let file = fs::File::open(path).map_err(|error| failed(path, error))?;
    let mut read = Vec::new();
    file.take(LENGTH as u64).read_to_end(&mut read).map_err(|error| failed(path, error))?;
    start[..read.len()].copy_from_slice(&read);
    Ok(start)
}

/// A file that is written: all of it takes its place at once, or nothing does.
pub struct NewFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    pub fn new(path: &Path, content: &[u8]) -> Result<Self, Box<dyn Error>> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // As open() makes files; the umask takes bits away.
        let made = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(directory);
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
            let mut begins = vec![0; magic.len()];
            let is_of_its_kind = existing.is_file()
                && fs::File::open(&path).and_then(|mut file| file.read_exact(&mut begins)).is_ok()
                && begins == magic;
            if !is_of_its_kind && existing.size() > 0 || !existing.is_file() {
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
