//! The files of QEMU's mapped-ram migration: a migration stream whose RAM pages have fixed places.
//!
//! All numbers of the stream are big-endian. It starts with a magic and a version, then come the configuration,
//! commands of no meaning for a file, and the start of the "ram" section: the size of all RAM, and an entry for each
//! RAM block with its bitmap and its pages. The devices' state follows behind the last page and is not looked at.

use super::cursor::Cursor;
use super::data_pages::DataPages;
use super::file_block::{FileBlock, check_idstr};
use super::format::SnapshotFormat;
use super::image::Image;
use crate::error::{Result, ensure, error};

/// What a migration stream starts with.
pub(super) const MAGIC: &[u8; 4] = b"QEVM";

const STREAM_VERSION: u32 = 3;
const SECTION_START: u8 = 1;
const SUBSECTION: u8 = 5;
const CONFIGURATION: u8 = 7;
const COMMAND: u8 = 8;

/// Far more than there are; what is wrong is found before a file without end has been read.
const CAPABILITIES_MAX: u32 = 1000;
const NAME_MAX: u32 = 4096;

/// The only version of the RAM section.
const RAM_VERSION: u32 = 4;
/// What the RAM section's first word says beside the size of all RAM: that sizes and headers of the blocks follow.
const FLAG_MEM_SIZE: u64 = 0x04;
/// The only version of the header in a block's entry.
const HEADER_VERSION: u32 = 1;

/// The bounds of target page sizes; the lower bits of RAM sizes are free for flags.
const PAGE_SIZE_MIN: u64 = 512;
const PAGE_SIZE_MAX: u64 = 1 << 30;

/// What a stream says before its RAM.
struct Configuration {
    machine: String,
    capabilities: Vec<String>,
}

/// Reads what the stream that starts at `offset` says of itself, and its RAM blocks. Errors do not name the file.
pub(super) fn parse(image: &Image, offset: u64) -> Result<(SnapshotFormat, Vec<FileBlock>)> {
    let mut cursor = Cursor::new(image, offset);
    let magic: [u8; 4] = cursor.array("a migration stream")?;
    ensure!(
        magic == *MAGIC,
        EINVAL,
        "no migration stream of QEMU starts at {offset:#x}: '{}' is there instead of 'QEVM'",
        magic.escape_ascii()
    );
    let version = cursor.u32("the stream's version")?;
    ensure!(version == STREAM_VERSION, EINVAL, "the stream's version is {version}, not {STREAM_VERSION}");
    let (Configuration { machine, capabilities }, next) = configuration(&mut cursor)?;
    ram_section(&mut cursor, next)?;
    let blocks = blocks(&mut cursor)?;
    let device_state = image.length().saturating_sub(cursor.position());
    Ok((SnapshotFormat::MappedRam { machine, capabilities, device_state }, blocks))
}

/// Checks the configuration section; gives the kind of the section that follows it, too.
fn configuration(cursor: &mut Cursor<'_>) -> Result<(Configuration, u8)> {
    let section = cursor.u8("the configuration section")?;
    ensure!(
        section == CONFIGURATION,
        EINVAL,
        "a section of kind {section} stands where the configuration section belongs: \
         the machine type is too old to name the capabilities in force"
    );
    let length = cursor.u32("the machine's name")?;
    ensure!(length <= NAME_MAX, EINVAL, "the machine's name cannot have {length} bytes");
    let mut machine = vec![0; length as usize];
    cursor.bytes(&mut machine, "the machine's name")?;

    let mut capabilities = Vec::new();
    let next = loop {
        let section = cursor.u8("a section")?;
        if section != SUBSECTION {
            break section;
        }
        let name = cursor.string("the name of a subsection")?;
        cursor.skip(4, "the version of a subsection")?;
        match name.as_str() {
            "configuration/capabilities" => {
                let count = cursor.u32("the number of capabilities")?;
                ensure!(count <= CAPABILITIES_MAX, EINVAL, "there cannot be {count} capabilities");
                for _ in 0..count {
                    let capability = cursor.string("the name of a capability")?;
                    // The clear bits of a block that was left out would be taken for zeros.
                    ensure!(
                        capability != "x-ignore-shared",
                        EOPNOTSUPP,
                        "taken with x-ignore-shared: the RAM of shared memory backends is not in the file; \
                         switch the capability off and save again"
                    );
                    capabilities.push(capability);
                }
            }
            "configuration/target-page-bits" => cursor.skip(4, "target-page-bits")?,
            "configuration/uuid" => cursor.skip(16, "the uuid")?,
            _ => {
                let name = name.escape_debug();
                return Err(error!(EINVAL, "the configuration has a subsection '{name}', which is not known here"));
            }
        }
    };
    ensure!(
        capabilities.iter().any(|capability| capability == "mapped-ram"),
        EINVAL,
        "taken without mapped-ram: switch the capability on and save again"
    );
    Ok((Configuration { machine: String::from_utf8_lossy(&machine).into_owned(), capabilities }, next))
}

/// Goes to the contents of the RAM section.
fn ram_section(cursor: &mut Cursor<'_>, mut section: u8) -> Result<()> {
    while section == COMMAND {
        cursor.skip(2, "a command")?;
        let length = cursor.u16("a command")?;
        cursor.skip(length.into(), "a command")?;
        section = cursor.u8("a section")?;
    }
    let at = cursor.position() - 1;
    ensure!(
        section == SECTION_START,
        EINVAL,
        "a section of kind {section} stands at {at:#x}, where the RAM section belongs"
    );
    cursor.skip(4, "the section's id")?;
    let name = cursor.string("the section's name")?;
    let shown = name.escape_debug();
    ensure!(name == "ram", EINVAL, "the section '{shown}' stands at {at:#x}, where the RAM section belongs");
    cursor.skip(4, "the section's instance")?;
    let version = cursor.u32("the RAM section's version")?;
    ensure!(version == RAM_VERSION, EINVAL, "the RAM section's version is {version}, not {RAM_VERSION}");
    Ok(())
}

fn blocks(cursor: &mut Cursor<'_>) -> Result<Vec<FileBlock>> {
    let total = cursor.u64("the size of all RAM")?;
    let flags = total % PAGE_SIZE_MIN;
    ensure!(
        flags == FLAG_MEM_SIZE,
        EINVAL,
        "the RAM section starts with the flags {flags:#x}, not with the size of all RAM ({FLAG_MEM_SIZE:#x})"
    );
    let mut missing = total - flags;
    let mut blocks = Vec::new();
    while missing > 0 {
        let idstr = cursor.string("the name of a RAM block")?;
        check_idstr(&idstr)?;
        let block =
            block(cursor, &idstr, missing).map_err(|error| error.context(format_args!("RAM block '{idstr}'")))?;
        missing -= block.length;
        blocks.push(block);
    }
    Ok(blocks)
}

/// Reads what follows a block's name; `missing` is how much RAM there can still be. Ends where the next entry starts.
fn block(cursor: &mut Cursor<'_>, idstr: &str, missing: u64) -> Result<FileBlock> {
    let length = cursor.u64("its length")?;
    ensure!(length > 0, EINVAL, "its length is 0");
    ensure!(length <= missing, EINVAL, "its length is {length:#x}, but only {missing:#x} of all RAM is left");

    let mut version = cursor.u32("its header's version")?;
    if version == 0 {
        // The upper half of the block's own page size: it is there when postcopy-ram was on and the page size is not
        // the host's. Whether it was on is not in the file.
        cursor.skip(4, "its page size")?;
        version = cursor.u32("its header's version")?;
    }
    ensure!(version == HEADER_VERSION, EINVAL, "its header's version is {version}, not {HEADER_VERSION}");

    let page_size = cursor.u64("its target page size")?;
    ensure!(
        page_size.is_power_of_two() && (PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&page_size),
        EINVAL,
        "its target page size {page_size:#x} is not a power of two from {PAGE_SIZE_MIN:#x} to {PAGE_SIZE_MAX:#x}"
    );
    ensure!(
        length % page_size == 0,
        EINVAL,
        "its length {length:#x} is not a multiple of its target page size {page_size:#x}"
    );

    let bitmap_offset = cursor.u64("the bitmap's offset")?;
    let pages_offset = cursor.u64("the pages' offset")?;
    let header_end = cursor.position();
    ensure!(
        bitmap_offset >= header_end,
        EINVAL,
        "its bitmap at {bitmap_offset:#x} overlaps its header, which ends at {header_end:#x}"
    );
    cursor.seek(bitmap_offset);
    let data = DataPages::read(cursor, length / page_size)?;
    let bitmap_end = cursor.position();
    ensure!(
        pages_offset >= bitmap_end,
        EINVAL,
        "its pages at {pages_offset:#x} overlap its bitmap, which ends at {bitmap_end:#x}"
    );
    ensure!(
        pages_offset % page_size == 0,
        EINVAL,
        "its pages at {pages_offset:#x} are not aligned to its target page size {page_size:#x}"
    );
    let end = pages_offset.checked_add(length);
    let end = end.ok_or_else(|| error!(EINVAL, "its pages at {pages_offset:#x} end beyond 2^64"))?;
    if data.end() > 0 {
        cursor.seek(pages_offset);
        cursor.end_of(data.end() * page_size, "its pages with data")?;
    }
    cursor.seek(end);
    Ok(FileBlock { idstr: idstr.into(), length, page_size, pages_offset, data })
}
