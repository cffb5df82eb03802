//! Flat images: a file that holds RAM as it is, and a short text that says which part of it is which RAM block.
//!
//! ```text
//! uffd-incoming flat 1
//! # Offsets and lengths are in bytes.
//! image memory-ranges
//! block 0 0x40000000 pc.ram
//! ```

use std::ops::Range;
use std::path::Path;

use super::data_pages::DataPages;
use super::file_block::{FileBlock, check_idstr};
use super::format::SnapshotFormat;
use super::image::Image;
use crate::error::{Error, Result, ensure, error, quoted};
use crate::kernel::file::{next_data, settle_holes};

/// What the first line of a description starts with; its version follows.
pub(super) const MAGIC: &[u8; 19] = b"uffd-incoming flat ";

const VERSION: &str = "1";
const PAGE_SIZE: u64 = 4096;
const DESCRIPTION_MAX: u64 = 1 << 20;

/// A `block` line.
struct Line<'a> {
    number: usize,
    idstr: &'a str,
    range: Range<u64>,
}

/// Reads a description, which was found at `path`: the image with the pages, what is said of it, and the RAM blocks in it. Errors
/// do not name the description.
pub(super) fn parse(description: &Image, path: &Path) -> Result<(Image, SnapshotFormat, Vec<FileBlock>)> {
    let text = text(description)?;
    let (image, lines) = lines(&text)?;
    let image_path = path.parent().unwrap_or(Path::new("")).join(image);
    let image = Image::open(&image_path)?;
    check_ranges(&lines, &image)?;
    settle_holes(image.descriptor()).map_err(|error| error.context(image.name()))?;
    let blocks = lines.iter().map(|line| block(line, &image)).collect::<Result<Vec<_>>>()?;
    let used = blocks.iter().map(|block| block.length).sum::<u64>();
    let format = SnapshotFormat::Flat { image: image_path, unused: image.length() - used };
    Ok((image, format, blocks))
}

/// What to do about a file that may be a raw image: nothing, if its length cannot be that of RAM.
pub(super) fn hint(path: &Path, length: u64) -> String {
    let (Some(name), true) = (path.file_name(), length > 0 && length % PAGE_SIZE == 0) else { return String::new() };
    format!(
        "; if it is a raw image of RAM, open a text file beside it with these three lines, in which NAME is the RAM block's: \
         '{}{VERSION}', 'image {}', 'block 0 {length:#x} NAME' (the command `uffd-incoming flat` writes it)",
        MAGIC.escape_ascii(),
        quoted(Path::new(name)).trim_matches('\'')
    )
}

fn text(description: &Image) -> Result<String> {
    let length = description.length();
    ensure!(
        length <= DESCRIPTION_MAX,
        EINVAL,
        "the description of a flat image has {length} bytes; at most {DESCRIPTION_MAX} are read"
    );
    let mut text = vec![0; length as usize];
    description.read(0, &mut text)?;
    String::from_utf8(text).map_err(|error| error!(EINVAL, "the description of a flat image: {}", error.utf8_error()))
}

/// Takes the text apart: the image's path, and the `block` lines.
fn lines(text: &str) -> Result<(&str, Vec<Line<'_>>)> {
    let mut image = None;
    let mut blocks = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let at = |error: Error| error.context(format_args!("line {number}"));
        let (word, rest) = first_word(line);
        match word {
            "uffd-incoming" if number == 1 => check_version(rest).map_err(at)?,
            "" => {}
            _ if word.starts_with('#') => {}
            "image" if rest.is_empty() => return Err(at(error!(EINVAL, "'image' needs a path"))),
            "image" if image.is_some() => return Err(at(error!(EINVAL, "there can be only one image"))),
            "image" => image = Some(rest),
            "block" => {
                let (range, idstr) = block_line(rest).map_err(at)?;
                blocks.push(Line { number, idstr, range });
            }
            _ => return Err(at(error!(EINVAL, "'{}' is neither 'image' nor 'block'", word.escape_debug()))),
        }
    }
    let image = image.ok_or_else(|| error!(EINVAL, "there is no line 'image PATH'"))?;
    Ok((image, blocks))
}

fn check_version(magic: &str) -> Result<()> {
    let (_, version) = first_word(magic);
    ensure!(version == VERSION, EINVAL, "this is version '{}', not {VERSION}", version.escape_debug());
    Ok(())
}

fn block_line(text: &str) -> Result<(Range<u64>, &str)> {
    let (offset, text) = first_word(text);
    let (length, idstr) = first_word(text);
    let (offset, length) = (page_multiple(offset, "offset")?, page_multiple(length, "length")?);
    check_idstr(idstr)?;
    ensure!(length > 0, EINVAL, "the length is 0");
    let end = offset.checked_add(length).ok_or_else(|| error!(EINVAL, "the block ends beyond 2^64"))?;
    Ok((offset..end, idstr))
}

/// A decimal or hexadecimal multiple of the page size.
fn page_multiple(text: &str, what: &str) -> Result<u64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
    // What from_str_radix() takes beside digits is a sign.
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'));
    let number = number.ok_or_else(|| error!(EINVAL, "the {what} '{}' is not a number", text.escape_debug()))?;
    ensure!(number % PAGE_SIZE == 0, EINVAL, "the {what} {text} is not a multiple of {PAGE_SIZE}");
    Ok(number)
}

/// The first word of a line, and the rest of it.
fn first_word(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim_start())
}

fn check_ranges(lines: &[Line<'_>], image: &Image) -> Result<()> {
    let mut sorted: Vec<_> = lines.iter().collect();
    sorted.sort_by_key(|line| line.range.start);
    for pair in sorted.windows(2) {
        let [Line { number: first, idstr: one, range }, Line { number: second, idstr: other, range: next }] =
            [pair[0], pair[1]];
        ensure!(
            range.end <= next.start,
            EINVAL,
            "lines {first} and {second}: the blocks '{one}' and '{other}' overlap in the image"
        );
    }
    for Line { number, idstr, range } in lines {
        ensure!(
            range.end <= image.length(),
            EINVAL,
            "line {number}: RAM block '{idstr}' ends at {:#x}, but {} at {:#x}",
            range.end,
            image.name(),
            image.length()
        );
    }
    Ok(())
}

fn block(line: &Line<'_>, image: &Image) -> Result<FileBlock> {
    let Range { start, end } = line.range;
    let data = data_pages(image, line.range.clone())
        .map_err(|error| error.context(format_args!("RAM block '{}' in {}", line.idstr, image.name())))?;
    Ok(FileBlock { idstr: line.idstr.into(), length: end - start, page_size: PAGE_SIZE, pages_offset: start, data })
}

/// Which pages of a part of the image are not in a hole of it, or not wholly.
fn data_pages(image: &Image, range: Range<u64>) -> Result<DataPages> {
    let pages = (range.end - range.start) / PAGE_SIZE;
    let mut data = DataPages::none(pages)?;
    let mut page = 0;
    while page < pages {
        let found = next_data(image.descriptor(), range.start + page * PAGE_SIZE)
            .map_err(|errno| Error::os(errno, "looking for holes"))?;
        let Some(found) = found.filter(|found| found.start < range.end) else { break };
        // At least one page, whatever a file system says: this has to end.
        let end = found.end.clamp(found.start + 1, range.end);
        page = (end - range.start).div_ceil(PAGE_SIZE);
        data.set((found.start - range.start) / PAGE_SIZE..page);
    }
    Ok(data)
}
