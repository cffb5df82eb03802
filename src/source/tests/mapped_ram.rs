//! mapped-ram files.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use super::*;

/// What a target page is in the file.
#[derive(Clone, Copy)]
enum Page {
    /// Its bit is set, and all its bytes are this.
    Data(u8),
    /// Its bit is clear, but these bytes are left in its place.
    Stale(u8),
}
use Page::{Data, Stale};

const ZERO: Page = Stale(0);

/// A migration stream; tests turn a good one into a bad one.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    /// Where the length in each RAM block's entry is.
    lengths: Vec<usize>,
}

// Where the fields of a block's entry are, from its length on.
const LENGTH: usize = 0;
const VERSION: usize = 8;
const PAGE_SIZE: usize = 12;
const BITMAP_OFFSET: usize = 20;
const PAGES_OFFSET: usize = 28;
const HEADER_END: usize = 36;

impl Stream {
    /// Up to the machine's name.
    fn start() -> Self {
        let mut stream = Self::default();
        stream.put(b"QEVM").put(&3_u32.to_be_bytes()).put(&[7]);
        stream.put(&7_u32.to_be_bytes()).put(b"machine");
        stream
    }

    /// Up to the RAM section.
    fn configured(capabilities: &[&str]) -> Self {
        let mut fields = (capabilities.len() as u32).to_be_bytes().to_vec();
        for name in capabilities {
            fields.push(name.len() as u8);
            fields.extend(name.as_bytes());
        }
        let mut stream = Self::start();
        stream.subsection("configuration/capabilities", &fields);
        stream
    }

    /// Up to the entry of the first block.
    fn ram(total: u64) -> Self {
        let mut stream = Self::configured(&["mapped-ram"]);
        stream.section("ram", 4).put(&(total | 4).to_be_bytes());
        stream
    }

    /// Whole, with this one block.
    fn one_block(page_size: usize, pages: &[Page]) -> Self {
        let mut stream = Self::ram((page_size * pages.len()) as u64);
        stream.block(b"ram0", page_size, pages);
        stream
    }

    /// Whole, with two blocks and something of each kind.
    fn sample() -> Self {
        let mut stream = Self::ram(6 * 512);
        stream.block(b"ram0", 512, &[Data(1), ZERO, Stale(0xaa), Data(2)]);
        stream.block(b"rom", 512, &[Stale(3), Data(4)]);
        stream
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    fn name(&mut self, name: &[u8]) -> &mut Self {
        self.put(&[name.len() as u8]).put(name)
    }

    fn subsection(&mut self, name: &str, fields: &[u8]) -> &mut Self {
        self.put(&[5]).name(name.as_bytes()).put(&1_u32.to_be_bytes()).put(fields)
    }

    fn section(&mut self, name: &str, version: u32) -> &mut Self {
        self.put(&[1]).put(&2_u32.to_be_bytes()).name(name.as_bytes());
        self.put(&0_u32.to_be_bytes()).put(&version.to_be_bytes())
    }

    /// An entry with its bitmap and pages.
    fn block(&mut self, idstr: &[u8], page_size: usize, pages: &[Page]) -> &mut Self {
        self.name(idstr);
        self.lengths.push(self.bytes.len());
        self.put(&((pages.len() * page_size) as u64).to_be_bytes());
        self.header(page_size, pages)
    }

    /// What follows the length in an entry.
    fn header(&mut self, page_size: usize, pages: &[Page]) -> &mut Self {
        let bitmap_offset = self.bytes.len() + HEADER_END - VERSION;
        let pages_offset = (bitmap_offset + pages.len().div_ceil(64) * 8).next_multiple_of(page_size);
        self.put(&1_u32.to_be_bytes()).put(&(page_size as u64).to_be_bytes());
        self.put(&(bitmap_offset as u64).to_be_bytes()).put(&(pages_offset as u64).to_be_bytes());
        for pages in pages.chunks(64) {
            let bit = |(bit, page): (usize, &Page)| u64::from(matches!(page, Data(_))) << bit;
            self.put(&pages.iter().enumerate().map(bit).sum::<u64>().to_le_bytes());
        }
        self.bytes.resize(pages_offset, 0xaa);
        for page in pages {
            let (Data(byte) | Stale(byte)) = *page;
            self.bytes.resize(self.bytes.len() + page_size, byte);
        }
        self
    }

    /// Overwrites a field in the entry of a block.
    fn patch(mut self, block: usize, field: usize, value: &[u8]) -> Self {
        let at = self.lengths[block] + field;
        self.bytes[at..at + value.len()].copy_from_slice(value);
        self
    }

    fn patch_u64(self, block: usize, field: usize, value: u64) -> Self {
        self.patch(block, field, &value.to_be_bytes())
    }

    fn open(&self) -> Result<Snapshot> {
        Snapshot::open_fd(file(&self.bytes).as_fd(), 0)
    }

    #[track_caller]
    fn assert_refused(&self, words: &str) {
        assert_refused(self.open(), libc::EINVAL, words);
    }
}

/// A file to change while a snapshot of it is open.
fn open_sample() -> (File, Snapshot, Stream) {
    let stream = Stream::sample();
    let file = file(&stream.bytes);
    let snapshot = Snapshot::open_fd(file.as_fd(), 0).unwrap();
    (file, snapshot, stream)
}

#[test]
fn the_blocks_are_found() {
    let snapshot = Stream::sample().open().unwrap();
    let found =
        snapshot.blocks().iter().map(|block| (block.idstr(), block.length(), block.page_size(), block.data_bytes()));
    assert_eq!(found.collect::<Vec<_>>(), [("ram0", 2048, 512, 1024), ("rom", 1024, 512, 512)]);
}

#[test]
fn what_the_stream_says_of_itself_is_kept() {
    let mut stream = Stream::configured(&["multifd", "mapped-ram"]);
    stream.section("ram", 4).put(&(512_u64 | 4).to_be_bytes()).block(b"ram0", 512, &[Data(7)]).put(b"devices");
    let SnapshotFormat::MappedRam { machine, capabilities, device_state } = stream.open().unwrap().format().clone()
    else {
        panic!("it is a mapped-ram file");
    };
    assert_eq!((machine.as_str(), device_state), ("machine", 7));
    assert_eq!(capabilities, ["multifd", "mapped-ram"]);
}

#[test]
fn runs_of_data_leave_out_zeros() {
    let snapshot = Stream::ram(2560).block(b"a", 512, &[Data(1), Data(2), ZERO, Stale(5), Data(3)]).open().unwrap();
    assert_eq!(snapshot.data_runs(0).collect::<Vec<_>>(), [0..1024, 2048..2560]);
}

#[test]
fn a_path_works_like_a_descriptor() {
    let file = file(&Stream::sample().bytes);
    let snapshot = Snapshot::open(&path(&file)).unwrap();
    assert_eq!(snapshot.info().name, format!("'{}'", path(&file).display()));
    assert_eq!(read(&snapshot, 0, 0, 512).unwrap(), [1; 512]);
}

#[test]
fn the_descriptor_is_duplicated_and_its_position_is_left_alone() {
    let stream = Stream::sample();
    let mut file = file(&stream.bytes);
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(5)).unwrap();
    let snapshot = Snapshot::open_fd(file.as_fd(), 0).unwrap();
    read(&snapshot, 0, 0, 2048).unwrap();
    assert_eq!(std::io::Seek::stream_position(&mut file).unwrap(), 5);
    drop(file);
    assert_eq!(read(&snapshot, 1, 512, 512).unwrap(), [4; 512]);
}

#[test]
fn the_stream_may_start_at_an_offset() {
    // Only the start moves: the offsets in the headers count from the file's start.
    let mut stream = Stream { bytes: vec![0x55; 1000], ..Stream::default() };
    stream.put(&Stream::ram(512).bytes).block(b"ram0", 512, &[Data(7)]);
    let file = file(&stream.bytes);
    let snapshot = Snapshot::open_fd(file.as_fd(), 1000).unwrap();
    assert_eq!(read(&snapshot, 0, 0, 512).unwrap(), [7; 512]);
    assert_refused(Snapshot::open_fd(file.as_fd(), 0), libc::EINVAL, "'UUUU' is there instead of 'QEVM'");
    assert_refused(Snapshot::open_fd(file.as_fd(), 1 << 40), libc::EINVAL, "the file is truncated");
    assert_refused(Snapshot::open_fd(file.as_fd(), u64::MAX), libc::EINVAL, "the file is truncated");
}

#[test]
fn runs_are_as_long_as_the_pages_are_of_one_kind() {
    let snapshot = Stream::sample().open().unwrap();
    assert_eq!(snapshot.run(0, 0, 2048), data(512));
    assert_eq!(snapshot.run(0, 512, 2048), zero(1024));
    assert_eq!(snapshot.run(0, 1536, u64::MAX), data(512), "the block's end is the run's");
    assert_eq!(snapshot.run(0, 500, 2048), data(12), "from the middle of a page to its end");
    assert_eq!(snapshot.run(0, 500, 5), data(5), "within a page");
    assert_eq!(snapshot.run(0, 600, 700), zero(700), "from within a page to within the next");
    assert_eq!(snapshot.run(0, 600, 0), zero(0));
}

#[test]
fn what_is_read_at_once_ends_where_a_gap_is_long() {
    let pages = [vec![Data(1)], vec![ZERO; 4], vec![Data(2)], vec![ZERO; 5], vec![Data(3)]].concat();
    let snapshot = Stream::one_block(4096, &pages).open().unwrap();
    let stretch = |page: u64, pages: u64| {
        let Run { length, kind } = snapshot.stretch(0, page * 4096, pages * 4096, 4 * 4096);
        (length / 4096, kind)
    };
    for (max, length) in [(12, 6), (6, 6), (4, 4), (1, 1)] {
        assert_eq!(stretch(0, max), (length, Kind::Data), "of {max} pages");
    }
    assert_eq!([stretch(1, 11), stretch(1, 4), stretch(6, 6)], [(5, Kind::Data), (4, Kind::Zero), (5, Kind::Zero)]);
    let read = read(&snapshot, 0, 0, 12 * 4096).unwrap();
    let starts: Vec<_> = read.chunks(4096).map(|page| page[0]).collect();
    assert_eq!(starts, [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 3]);
}

#[test]
fn reading_fills_in_zeros_for_stale_bytes() {
    let snapshot = Stream::sample().open().unwrap();
    let whole = [[1; 512], [0; 512], [0; 512], [2; 512]].concat();
    assert_eq!(read(&snapshot, 0, 0, 2048).unwrap(), whole);
    for (start, end) in [(0, 0), (0, 1), (511, 513), (100, 1900), (1535, 1536), (1536, 2048), (2048, 2048)] {
        let part = read(&snapshot, 0, start as u64, end - start).unwrap();
        assert!(part == whole[start..end], "the bytes from {start} to {end} are not those of the whole");
    }
    assert_eq!(read(&snapshot, 1, 0, 1024).unwrap(), [[0; 512], [4; 512]].concat());
}

#[test]
fn reading_beyond_a_block_is_refused() {
    let snapshot = Stream::sample().open().unwrap();
    let words = "RAM block 'rom' has 0x400 bytes, 0x2 at 0x3ff are not inside";
    assert_refused(read(&snapshot, 1, 1023, 2), libc::EINVAL, words);
    assert_refused(read(&snapshot, 1, u64::MAX, 2), libc::EINVAL, "are not inside");
}

#[test]
fn target_pages_may_have_any_size() {
    for page_size in [512, 1024, 4096, 16384, 65536, 1 << 20] {
        let stream = Stream::one_block(page_size, &[Data(1), ZERO, Data(2)]);
        let snapshot = stream.open().unwrap();
        let size = page_size as u64;
        assert_eq!(snapshot.blocks()[0].page_size(), size);
        assert_eq!(snapshot.run(0, 0, u64::MAX), data(size));
        assert_eq!(snapshot.run(0, size, u64::MAX), zero(size));
        let across = read(&snapshot, 0, size - 1, page_size + 2).unwrap();
        assert!(across[0] == 1 && across[page_size + 1] == 2, "the ends of the pages of {page_size} bytes around it");
        assert!(across[1..=page_size].iter().all(|byte| *byte == 0), "the zero page of {page_size} bytes");
    }
}

#[test]
fn a_bitmap_may_have_many_words() {
    let pages: Vec<_> =
        (0..70_000).map(|page| if page % 67 < 40 { Data((page % 251) as u8) } else { Stale(9) }).collect();
    let stream = Stream::one_block(512, &pages);
    let snapshot = stream.open().unwrap();
    let bytes = read(&snapshot, 0, 0, pages.len() * 512).unwrap();
    for (index, (page, bytes)) in pages.iter().zip(bytes.chunks(512)).enumerate() {
        let expected = if let Data(byte) = page { *byte } else { 0 };
        assert!(bytes.iter().all(|byte| *byte == expected), "page {index} is not all {expected}");
    }
}

#[test]
fn bits_beyond_the_last_page_mean_nothing() {
    let stream = Stream::one_block(512, &[ZERO, Data(1), ZERO]);
    let snapshot = stream.patch(0, HEADER_END, &[0b1111_1010, 0xff]).open().unwrap();
    assert_eq!(snapshot.blocks()[0].data_bytes(), 512);
    assert_eq!(snapshot.run(0, 1024, u64::MAX), zero(512));
}

#[test]
fn zero_pages_at_the_end_need_not_be_in_the_file() {
    let mut stream = Stream::one_block(512, &[Data(1), ZERO, ZERO]);
    stream.bytes.truncate(stream.bytes.len() - 1024);
    assert_eq!(read(&stream.open().unwrap(), 0, 0, 1536).unwrap(), [[1; 512], [0; 512], [0; 512]].concat());

    let mut stream = Stream::one_block(4096, &[ZERO]);
    stream.bytes.truncate(stream.lengths[0] + HEADER_END + 8);
    assert_eq!(read(&stream.open().unwrap(), 0, 0, 4096).unwrap(), [0; 4096]);
}

#[test]
fn all_known_subsections_and_commands_are_gone_through() {
    let mut stream = Stream::start();
    stream.subsection("configuration/target-page-bits", &12_u32.to_be_bytes());
    stream.subsection("configuration/capabilities", b"\0\0\0\x02\x07multifd\x0amapped-ram");
    stream.subsection("configuration/uuid", &[1; 16]);
    stream.put(b"\x08\0\x01\0\0").put(b"\x08\0\x02\0\x03abc");
    stream.section("ram", 4).put(&(512_u64 | 4).to_be_bytes()).block(b"ram0", 512, &[Data(1)]);
    assert_eq!(read(&stream.open().unwrap(), 0, 0, 512).unwrap(), [1; 512]);
}

#[test]
fn a_page_size_may_stand_before_a_header() {
    let mut stream = Stream::ram(1024);
    stream.name(b"huge").put(&512_u64.to_be_bytes()).put(&(2_u64 << 20).to_be_bytes()).header(512, &[Data(1)]);
    stream.block(b"ram0", 512, &[Data(2)]);
    let snapshot = stream.open().unwrap();
    assert_eq!(read(&snapshot, 0, 0, 512).unwrap(), [1; 512]);
    assert_eq!(read(&snapshot, 1, 0, 512).unwrap(), [2; 512]);
}

#[test]
fn a_wrong_stream_is_refused() {
    let mut stream = Stream::sample();
    stream.bytes[0] = b'q';
    stream.assert_refused("'qEVM' is there instead of 'QEVM'");
    let mut stream = Stream::sample();
    stream.bytes[7] = 4;
    stream.assert_refused("the stream's version is 4, not 3");
    let mut stream = Stream::sample();
    stream.bytes[8] = 1;
    stream.assert_refused("a section of kind 1 stands where the configuration section belongs");
}

#[test]
fn a_wrong_configuration_is_refused() {
    Stream::configured(&["multifd"]).section("ram", 4).assert_refused("taken without mapped-ram");
    Stream::start().section("ram", 4).assert_refused("taken without mapped-ram");
    Stream::configured(&["mapped-ram"]).subsection("configuration/new", &[]).assert_refused("'configuration/new'");
    Stream::configured(&["mapped-ram"]).subsection("new\n", &[]).assert_refused("'new\\n'");
    Stream::start()
        .subsection("configuration/capabilities", &u32::MAX.to_be_bytes())
        .assert_refused("there cannot be 4294967295 capabilities");
    let shared = Stream::configured(&["mapped-ram", "x-ignore-shared"]);
    assert_refused(shared.open(), libc::EOPNOTSUPP, "taken with x-ignore-shared");
}

#[test]
fn a_wrong_ram_section_is_refused() {
    let configured = || Stream::configured(&["mapped-ram"]);
    configured().section("timer\r", 2).assert_refused("the section 'timer\\r' stands at 0x4");
    configured().section("timer", 2).assert_refused("the section 'timer' stands at 0x4");
    configured().section("ram", 5).assert_refused("the RAM section's version is 5, not 4");
    configured().put(&[0]).assert_refused("a section of kind 0 stands at 0x4");
    configured().section("ram", 4).put(&0x10_u64.to_be_bytes()).assert_refused("the flags 0x10");
    Stream::ram(0).assert_refused("there is no RAM block in it");
}

#[test]
fn a_wrong_name_is_refused() {
    Stream::ram(512).block(b"", 512, &[ZERO]).assert_refused("a RAM block has no name");
    Stream::ram(512).block(b"a\xff", 512, &[ZERO]).assert_refused("'a\\xff' is not UTF-8");
    Stream::ram(512).block(b"a\0b", 512, &[ZERO]).assert_refused("'a\\0b' has a NUL in it");
    Stream::ram(512).block(b"a\x1b[2J", 512, &[ZERO]).assert_refused("'a\\u{1b}[2J' has a control character in it");
    Stream::ram(1024).block(b"a", 512, &[ZERO]).block(b"a", 512, &[ZERO]).assert_refused("two RAM blocks 'a'");
}

#[test]
fn a_wrong_length_is_refused() {
    let patched = |length| Stream::sample().patch_u64(0, LENGTH, length);
    patched(0).assert_refused("RAM block 'ram0': its length is 0");
    patched(7 * 512).assert_refused("RAM block 'ram0': its length is 0xe00, but only 0xc00 of all RAM is left");
    patched(u64::MAX).assert_refused("its length is 0xffffffffffffffff, but only 0xc00 of all RAM is left");
    patched(513).assert_refused("its length 0x201 is not a multiple of its target page size 0x200");
}

#[test]
fn a_wrong_header_is_refused() {
    let version = |version: u32| Stream::sample().patch(1, VERSION, &version.to_be_bytes());
    version(2).assert_refused("RAM block 'rom': its header's version is 2, not 1");
    version(0).assert_refused("RAM block 'rom': its header's version is 512, not 1");
    for page_size in [0, 1, 256, 513, 768, 2 << 30, 1 << 63, u64::MAX] {
        let words = format!("RAM block 'rom': its target page size {page_size:#x} is not a power of two");
        Stream::sample().patch_u64(1, PAGE_SIZE, page_size).assert_refused(&words);
    }
}

#[test]
fn a_wrong_bitmap_is_refused() {
    let patched = |offset| Stream::sample().patch_u64(0, BITMAP_OFFSET, offset);
    let header_end = Stream::sample().lengths[0] + HEADER_END;
    patched(0).assert_refused("RAM block 'ram0': its bitmap at 0x0 overlaps its header");
    patched(header_end as u64 - 1).assert_refused("overlaps its header");
    patched(1 << 40).assert_refused("RAM block 'ram0': the file is truncated");
    patched(u64::MAX).assert_refused("RAM block 'ram0': the file is truncated");
    // More pages than there is file: refused for the bitmap, before memory is taken for it.
    let mut stream = Stream::ram(1 << 62);
    stream.block(b"ram0", 512, &[ZERO]);
    stream.patch_u64(0, LENGTH, 1 << 62).assert_refused("before the 1125899906842624 bytes of the bitmap");
}

#[test]
fn wrong_pages_are_refused() {
    let patched = |offset| Stream::sample().patch_u64(0, PAGES_OFFSET, offset);
    patched(0).assert_refused("RAM block 'ram0': its pages at 0x0 overlap its bitmap");
    patched(1025).assert_refused("its pages at 0x401 are not aligned to its target page size 0x200");
    patched(1 << 40).assert_refused("RAM block 'ram0': the file is truncated");
    patched(0_u64.wrapping_sub(512)).assert_refused("its pages at 0xfffffffffffffe00 end beyond 2^64");
}

#[test]
fn a_page_that_the_file_does_not_have_is_refused() {
    let mut stream = Stream::one_block(512, &[Data(1), Data(2)]);
    stream.bytes.pop();
    stream.assert_refused("RAM block 'ram0': the file is truncated");
    stream.bytes.truncate(stream.bytes.len() - 512);
    stream.assert_refused("before the 1024 bytes of its pages with data");
}

#[test]
fn truncation_while_open_is_an_error_and_never_zeros() {
    let (file, snapshot, stream) = open_sample();
    let end = stream.bytes.len() as u64;
    file.set_len(end - 1).unwrap();
    let words = format!("the file ended at {:#x}: it was truncated while it was in use", end - 1);
    assert_refused(read(&snapshot, 1, 512, 512), libc::EIO, &words);
    assert_refused(read(&snapshot, 1, 512, 512), libc::EIO, "RAM block 'rom', offset 0x200: reading 512 bytes at");
    assert_eq!(read(&snapshot, 1, 512, 511).unwrap(), [4; 511], "what is still there");
    file.set_len(0).unwrap();
    assert_refused(read(&snapshot, 0, 512, 1536), libc::EIO, "RAM block 'ram0', offset 0x600: ");
    assert_eq!(read(&snapshot, 0, 512, 1024).unwrap(), [0; 1024], "zeros are not read from the file");
}

#[test]
fn every_truncation_is_an_error() {
    let stream = Stream::sample();
    for length in 0..stream.bytes.len() {
        let result = Snapshot::open_fd(file(&stream.bytes[..length]).as_fd(), 0);
        assert_refused(result, libc::EINVAL, "truncated");
    }
}

#[test]
fn every_damaged_byte_gives_an_error_or_a_sane_snapshot() {
    let stream = Stream::sample();
    let file = file(&stream.bytes);
    let mut refused = 0;
    for (at, byte) in stream.bytes.iter().enumerate() {
        for damaged in [byte ^ 1, byte ^ 0x80, !byte, 0, 0xff] {
            file.write_all_at(&[damaged], at as u64).unwrap();
            match Snapshot::open_fd(file.as_fd(), 0) {
                Ok(snapshot) => {
                    let total: u64 = snapshot.blocks().iter().map(|block| block.length()).sum();
                    assert_eq!(total, 6 * 512, "byte {at} as {damaged:#x} gives other RAM");
                    for (index, block) in snapshot.blocks().iter().enumerate() {
                        read(&snapshot, index, 0, block.length() as usize).unwrap();
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.errno(), libc::EINVAL, "byte {at} as {damaged:#x}: {error}");
                }
            }
        }
        file.write_all_at(&[*byte], at as u64).unwrap();
    }
    assert!(refused > 500, "only {refused} damaged files were refused");
}
