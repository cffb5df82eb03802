//! The bodies of the fuzz targets, which the fuzzers in `fuzz/` and ordinary tests share: each takes any bytes, and fails
//! by a panic, a crash or a hang.

mod c_calls;
mod world;

pub use self::c_calls::c_calls;
pub use crate::loading::fuzzing::working_set;
pub use crate::source::fuzzing::{flat, mapped_ram};

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    /// An input takes some milliseconds.
    const TIMEOUT: Duration = Duration::from_secs(60);

    /// Feeds a target with its corpus.
    fn run_corpus(name: &str, target: fn(&[u8])) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", directory.display());
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let (done, is_done) = mpsc::channel();
            thread::spawn(move || {
                target(&bytes);
                done.send(())
            });
            let result = is_done.recv_timeout(TIMEOUT);
            result.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    #[test]
    fn mapped_ram_files() {
        run_corpus("mapped_ram", super::mapped_ram);
    }

    #[test]
    fn descriptions_of_flat_images() {
        run_corpus("flat", super::flat);
    }

    #[test]
    fn working_sets() {
        run_corpus("working_set", super::working_set);
    }

    #[test]
    fn sequences_of_c_calls() {
        run_corpus("c_calls", super::c_calls);
    }
}
