//! The snapshots of all scenarios: files that are made once, in a directory of their own.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use uffd_incoming::{BlockId, Config, Hooks, Incoming, LoadConfig, LogLevel, Snapshot, load};

use super::ram::{Behind, Contents, MIB, PAGE, Ram};

/// The length of the only RAM block: a huge page of data with a few zeros, one of zeros, and a quarter of one of both kinds.
pub const LENGTH: usize = 4 * MIB + MIB / 2;

pub const NAME: &str = "pc.ram";

/// Which kinds of pages there are: touched by threads in all scenarios.
pub const SOME_PAGES: [usize; 18] =
    [0, 700, 1030, 6, 7, 8, 511, 512, 1023, 1024, 1026, 1070, 1071, 1072, 300, 1100, 1151, 1108];

pub struct Snapshots {
    directory: PathBuf,
    pub contents: Contents,
    /// The description of a flat image, and a mapped-ram file.
    pub flat: PathBuf,
    pub mapped_ram: PathBuf,
    /// A working set of both.
    pub working_set: PathBuf,
    /// Where another one is recorded.
    pub recorded: PathBuf,
}

impl Snapshots {
    pub fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("uffd-incoming-sweep-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let is_zero = |page| match page / 512 {
            0 => page % 64 == 6,
            1 => true,
            _ => page % 8 == 6 || (1100..1132).contains(&page),
        };
        let at = |name| directory.join(name);
        let snapshots = Self {
            contents: Contents::new(LENGTH / PAGE, is_zero),
            flat: at("flat"),
            mapped_ram: at("mapped-ram"),
            working_set: at("working-set"),
            recorded: at("recorded"),
            directory,
        };
        snapshots.write_flat();
        snapshots.write_mapped_ram();
        snapshots.record();
        snapshots
    }

    fn write_flat(&self) {
        let description = format!("uffd-incoming flat 1\nimage image\nblock 0 {LENGTH} {NAME}\n");
        fs::write(&self.flat, description).unwrap();
        let image = File::create(self.directory.join("image")).unwrap();
        image.set_len(LENGTH as u64).unwrap();
        self.write_data(&image, 0);
    }

    fn write_mapped_ram(&self) {
        let (mut head, pages) = (Vec::new(), LENGTH / PAGE);
        let mut put = |bytes: &[u8]| head.extend_from_slice(bytes);
        put(b"QEVM\0\0\0\x03\x07\0\0\0\x07machine");
        put(b"\x05\x1aconfiguration/capabilities\0\0\0\x01\0\0\0\x01\x0amapped-ram");
        put(b"\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04");
        put(&(LENGTH as u64 | 4).to_be_bytes());
        put(&[NAME.len() as u8]);
        put(NAME.as_bytes());
        put(&(LENGTH as u64).to_be_bytes());
        put(&1_u32.to_be_bytes());
        let (bitmap, start) = (PAGE as u64, MIB as u64);
        [PAGE as u64, bitmap, start].iter().for_each(|number| put(&number.to_be_bytes()));
        let file = File::create(&self.mapped_ram).unwrap();
        file.write_all_at(&head, 0).unwrap();
        let mut bits = vec![0_u8; pages / 8];
        (0..pages).filter(|page| !self.contents.is_zero(*page)).for_each(|page| bits[page / 8] |= 1 << (page % 8));
        file.write_all_at(&bits, bitmap).unwrap();
        file.set_len(start + LENGTH as u64).unwrap();
        self.write_data(&file, start);
    }

    fn write_data(&self, file: &File, start: u64) {
        for page in (0..self.contents.pages()).filter(|page| !self.contents.is_zero(*page)) {
            file.write_all_at(self.contents.page(page), start + (page * PAGE) as u64).unwrap();
        }
    }

    /// Records which pages were touched.
    fn record(&self) {
        let ram = Ram::new(Behind::Anonymous, LENGTH);
        let incoming = Incoming::new(Config { hooks: Arc::new(Quiet), ..Config::default() }).unwrap();
        ram.add_to(&incoming, 1, NAME);
        let snapshot = Arc::new(Snapshot::open(&self.flat).unwrap());
        let config = LoadConfig {
            background: false,
            working_set_record: Some(self.working_set.clone()),
            ..LoadConfig::default()
        };
        load(&incoming, &snapshot, &config).unwrap();
        SOME_PAGES.iter().for_each(|page| assert!(ram.holds(*page, self.contents.page(*page))));
        incoming.abort().unwrap();
        assert!(!incoming.page_received(BlockId(1), (1140 * PAGE) as u64).unwrap());
    }

    /// Nothing is there but what is known by name: in particular nothing half written.
    pub fn check_directory(&self) {
        let known = ["flat", "image", "mapped-ram", "working-set", "recorded"];
        let names =
            fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let others: Vec<_> = names.filter(|name| !known.contains(&name.as_str())).collect();
        assert!(others.is_empty(), "left behind beside the snapshots: {others:?}");
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// So that it has to be read from its disk. False where that cannot be read directly.
pub fn drop_from_page_cache(path: &Path) -> bool {
    if OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path).is_err() {
        return false;
    }
    let file = File::open(path).unwrap();
    file.sync_data().unwrap();
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    true
}

struct Quiet;

impl Hooks for Quiet {
    fn log(&self, level: LogLevel, message: &str) {
        assert_eq!(level, LogLevel::Info, "nothing is to be complained of: {message}");
    }
}
