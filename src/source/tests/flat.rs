//! Flat images and their descriptions.

use std::os::unix::fs::FileExt;

use super::*;

/// Opens an image by a description of which `{image}` stands for the image's path.
fn open(image: &File, description: &str) -> Result<Snapshot> {
    let description = file(description.replace("{image}", path(image).to_str().unwrap()).as_bytes());
    Snapshot::open(&path(&description))
}

/// An image of this many pages, page i of which has the bytes i + 1.
fn image(pages: u8) -> File {
    file(&(1..=pages).flat_map(|byte| [byte; 4096]).collect::<Vec<_>>())
}

#[test]
fn blocks_lie_where_the_description_says() {
    let snapshot = open(
        &image(4),
        "uffd-incoming flat 1\r\n# a comment\n\n  image   {image}\nblock 0x3000 4096  low ram \n\
         \tblock 4096 0X2000 high\n",
    )
    .unwrap();
    let found =
        snapshot.blocks().iter().map(|block| (block.idstr(), block.length(), block.page_size(), block.data_bytes()));
    assert_eq!(found.collect::<Vec<_>>(), [("low ram", 4096, 4096, 4096), ("high", 8192, 4096, 8192)]);
    assert_eq!(read(&snapshot, 0, 0, 4096).unwrap(), [4; 4096]);
    assert_eq!(read(&snapshot, 1, 4095, 2).unwrap(), [2, 3]);
    assert_eq!(snapshot.run(1, 0, u64::MAX), data(8192));
}

#[test]
fn what_is_in_no_block_is_counted() {
    let image = image(4);
    let snapshot = open(&image, "uffd-incoming flat 1\nimage {image}\nblock 4096 4096 ram\n").unwrap();
    assert_eq!(*snapshot.format(), SnapshotFormat::Flat { image: path(&image), unused: 3 * 4096 });
    assert_eq!(snapshot.file_offset(0, 4095), Some(8191));
    assert_eq!((snapshot.file_offset(0, 4096), snapshot.file_offset(1, 0)), (None, None));
    assert_refused(snapshot.read(1, 0, &mut [0]), libc::ENOENT, "has 1 RAM blocks, none has index 1");
    assert_eq!(snapshot.data_runs(1).count(), 0);
}

#[test]
fn an_image_may_be_named_relative_to_its_description() {
    let image = image(1);
    let name = image.as_fd().as_raw_fd();
    let snapshot = open(&image, &format!("uffd-incoming flat 1\nimage {name}\nblock 0 4096 ram")).unwrap();
    assert_eq!(read(&snapshot, 0, 0, 4096).unwrap(), [1; 4096]);
}

#[test]
fn holes_are_zeros() {
    let image = file(&[]);
    image.set_len(16 * 4096).unwrap();
    image.write_all_at(&[7; 4097], 3 * 4096).unwrap();
    image.write_all_at(&[8], 12 * 4096 + 100).unwrap();
    let snapshot =
        open(&image, "uffd-incoming flat 1\nimage {image}\nblock 0x1000 0xb000 a\nblock 0xc000 0x4000 b").unwrap();
    assert_eq!(snapshot.run(0, 0, u64::MAX), zero(2 * 4096));
    assert_eq!(snapshot.run(0, 2 * 4096, u64::MAX), data(2 * 4096));
    assert_eq!(snapshot.run(0, 4 * 4096, u64::MAX), zero(7 * 4096));
    assert_eq!(snapshot.run(1, 0, u64::MAX), data(4096));
    assert_eq!(snapshot.run(1, 4096, u64::MAX), zero(3 * 4096));
    assert_eq!((snapshot.blocks()[0].data_bytes(), snapshot.blocks()[1].data_bytes()), (2 * 4096, 4096));
    assert_eq!(read(&snapshot, 0, 4 * 4096 - 1, 2).unwrap(), [0, 0]);
    assert_eq!(read(&snapshot, 0, 2 * 4096, 1).unwrap(), [7]);
}

#[test]
fn an_image_that_shrinks_is_an_error() {
    let image = image(2);
    let snapshot = open(&image, "uffd-incoming flat 1\nimage {image}\nblock 0 8192 ram").unwrap();
    image.set_len(4096).unwrap();
    assert_refused(read(&snapshot, 0, 0, 8192), libc::EIO, "the file ended at 0x1000: it was truncated");
}

#[test]
fn a_wrong_description_is_refused() {
    let image = image(4);
    let refused = |lines: &str, words: &str| {
        assert_refused(open(&image, &format!("uffd-incoming flat 1\n{lines}")), libc::EINVAL, words);
    };
    refused("", "there is no line 'image PATH'");
    refused("image", "line 2: 'image' needs a path");
    refused("image {image}\nimage {image}", "line 3: there can be only one image");
    refused("image {image}", "there is no RAM block in it");
    refused("image /\nblock 0 4096 a", "'/': it is a directory");
    refused("image {image}\nblocks 0 4096 a", "line 3: 'blocks' is neither 'image' nor 'block'");
    refused("uffd-incoming flat 1", "line 2: 'uffd-incoming' is neither");
    refused("block 0 4096", "line 2: a RAM block has no name");
    refused(&format!("block 0 4096 {}", "x".repeat(256)), "is longer than 255 bytes");
    refused("block 0 4096 a\0", "has a NUL in it");
    refused("block 0 4096 a\u{7}", "has a control character in it");
    refused("block", "the offset '' is not a number");
    refused("block 0 4096K a", "the length '4096K' is not a number");
    refused("block -4096 4096 a", "the offset '-4096' is not a number");
    refused("block 0x+0 4096 a", "the offset '0x+0' is not a number");
    refused("block 18446744073709551616 4096 a", "is not a number");
    refused("block 1 4096 a", "line 2: the offset 1 is not a multiple of 4096");
    refused("block 0 4097 a", "the length 4097 is not a multiple of 4096");
    refused("block 0 0 a", "the length is 0");
    refused("block 0xfffffffffffff000 4096 a", "the block ends beyond 2^64");
    refused("image {image}\nblock 0x1000 0x4000 a", "line 3: RAM block 'a' ends at 0x5000, but '/proc/");
    refused("image {image}\nblock 0x1000 0x2000 a\nblock 0 8192 b", "lines 4 and 3: the blocks 'b' and 'a' overlap");
    refused("image {image}\nblock 0 4096 a\nblock 4096 4096 a", "there are two RAM blocks 'a'");
    assert_refused(
        open(&image, "uffd-incoming flat 1\nimage no/such/image\nblock 0 4096 a"),
        libc::ENOENT,
        "/proc/self/fd/no/such/image': opening: ENOENT",
    );
}

#[test]
fn another_version_is_refused() {
    for (line, version) in
        [("uffd-incoming flat 2", "2"), ("uffd-incoming flat 1 2", "1 2"), ("uffd-incoming flat \n", "")]
    {
        let words = format!("line 1: this is version '{version}', not 1");
        assert_refused(open(&image(1), line), libc::EINVAL, &words);
    }
}

#[test]
fn a_description_that_is_no_short_text_is_refused() {
    let mut long = b"uffd-incoming flat 1\n".to_vec();
    long.resize((1 << 20) + 1, b'#');
    assert_refused(Snapshot::open(&path(&file(&long))), libc::EINVAL, "has 1048577 bytes; at most 1048576 are read");
    assert_refused(Snapshot::open(&path(&file(b"uffd-incoming flat 1\n\xff"))), libc::EINVAL, "invalid utf-8");
}
