//! Writes the description of a raw image.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uffd_incoming::Snapshot;

use crate::arguments::Block;
use crate::files::{NewFile, directory_of, failed, shown, start};
use crate::info::{Info, info};
use crate::output::Report;

/// What a description starts with.
const MAGIC: &[u8] = b"uffd-incoming flat ";

/// What files start with that are no raw images.
const OTHERS: [(&[u8], &str); 4] = [
    (b"QEVM", "a migration stream of QEMU, which needs no description if it is of mapped-ram"),
    (MAGIC, "a description"),
    (b"UFFDWSET", "a working set"),
    (b"\x7fELF", "an ELF file, such as a core dump"),
];

/// A list of regions is short.
const MOST_REGIONS: u64 = 64 << 20;

/// What is said of the image on the command line.
pub struct Layout {
    pub blocks: Vec<Block>,
    pub regions: Option<PathBuf>,
    pub name: String,
}

pub struct Flat {
    output: PathBuf,
    info: Info,
}

pub fn flat(dump: &Path, layout: &Layout, output: Option<PathBuf>, force: bool) -> Result<Flat, Box<dyn Error>> {
    let output = output.unwrap_or_else(|| {
        let mut name = OsString::from(dump);
        name.push(".flat");
        name.into()
    });
    let found = fs::metadata(dump).map_err(|error| failed(dump, error))?;
    if !found.is_file() {
        return Err(failed(dump, "it is not a regular file"));
    }
    if !force {
        check_image(dump)?;
    }
    let text = description(&image_name(dump, &output)?, &lines(dump, layout, found.len())?)?;
    let file = NewFile::new(&output, text.as_bytes())?;
    // One that cannot be opened is not put in place.
    Snapshot::open(file.temporary()).map_err(|error| {
        let temporary = file.temporary().display().to_string();
        format!("this could not be opened: {}", error.to_string().replace(&temporary, &shown(&output)))
    })?;
    file.put(force, MAGIC)?;
    let info = info(&output)?;
    Ok(Flat { output, info })
}

/// Refuses what is a file of another kind.
fn check_image(dump: &Path) -> Result<(), Box<dyn Error>> {
    let start = start(dump, 32)?;
    match OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, what)) => {
            Err(failed(dump, format_args!("it is no raw image, but {what}; --force takes it nevertheless")))
        }
        None => Ok(()),
    }
}

/// The image as the description names it: relative to itself, where both lie in one directory.
fn image_name(dump: &Path, output: &Path) -> Result<String, Box<dyn Error>> {
    let directory = |path| fs::canonicalize(directory_of(path)).map_err(|error| failed(directory_of(path), error));
    let name = dump.file_name().ok_or("the image has no name")?;
    let place = directory(dump)?;
    let path = if place == directory(output)? { PathBuf::from(name) } else { place.join(name) };
    let text = path.to_str().ok_or_else(|| failed(dump, "a description cannot name it: its path is not UTF-8"))?;
    if !ends_a_line(text) {
        return Err(failed(dump, "a description cannot name it: its path has a line feed, or a space at an end"));
    }
    Ok(text.into())
}

fn lines(dump: &Path, layout: &Layout, image_length: u64) -> Result<Vec<Block>, Box<dyn Error>> {
    if let Some(path) = &layout.regions {
        let found = fs::metadata(path).map_err(|error| failed(path, error))?;
        if !found.is_file() || found.len() > MOST_REGIONS {
            return Err(failed(path, format_args!("it is not a regular file of at most {MOST_REGIONS} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|error| failed(path, error))?;
        return regions(&text, &layout.name).map_err(|error| failed(path, error));
    }
    if !layout.blocks.is_empty() {
        return Ok(layout.blocks.clone());
    }
    if image_length == 0 || image_length % 4096 != 0 {
        return Err(failed(
            dump,
            format_args!(
                "it has {image_length} bytes, which is no multiple of 4096: say with --block what of it is RAM"
            ),
        ));
    }
    Ok(vec![Block { offset: 0, length: image_length, idstr: layout.name.clone() }])
}

/// The regions that a VMM lists, in their order. Cloud Hypervisor's have no offsets: they follow each other in the file.
fn regions(text: &str, name: &str) -> Result<Vec<Block>, Box<dyn Error>> {
    let json: Value = serde_json::from_str(text)?;
    let listed = find_ranges(&json).or_else(|| json.as_array().cloned());
    let listed = listed.ok_or("neither a list of regions nor Cloud Hypervisor's \"memory_ranges\"")?;
    let mut end = 0;
    let mut lines = Vec::new();
    for (index, region) in listed.iter().enumerate() {
        // What is there has to be understood.
        let field = |name: &str| match region.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| format!("region {index}: the {name} {value} is not a number of bytes")),
        };
        let length = match (field("length")?, field("size")?) {
            (Some(length), None) | (None, Some(length)) => length,
            (None, None) => return Err(format!("region {index} has no length or size").into()),
            (Some(_), Some(_)) => return Err(format!("region {index} has a length and a size").into()),
        };
        let offset = field("offset")?.unwrap_or(end);
        end = offset.checked_add(length).ok_or_else(|| format!("region {index} ends beyond 2^64"))?;
        let idstr = field("gpa")?.map_or_else(|| format!("{name}{index}"), |gpa| format!("{name}@{gpa:#x}"));
        lines.push(Block { offset, length, idstr });
    }
    if lines.is_empty() { Err("it lists no region".into()) } else { Ok(lines) }
}

/// Cloud Hypervisor's state.json has the list in text that is JSON once more.
fn find_ranges(json: &Value) -> Option<Vec<Value>> {
    match json {
        Value::Object(fields) => {
            let ranges = fields.get("memory_ranges").and_then(|ranges| ranges.get("data")).and_then(Value::as_array);
            ranges.cloned().or_else(|| fields.values().find_map(find_ranges))
        }
        Value::Array(values) => values.iter().find_map(find_ranges),
        Value::String(text) if text.contains("\"memory_ranges\"") => find_ranges(&serde_json::from_str(text).ok()?),
        _ => None,
    }
}

/// Whether a description can have it at the end of a line.
fn ends_a_line(text: &str) -> bool {
    text.trim() == text && !text.contains('\n')
}

fn description(image: &str, lines: &[Block]) -> Result<String, Box<dyn Error>> {
    let mut text = format!("uffd-incoming flat 1\nimage {image}\n");
    for Block { offset, length, idstr } in lines {
        if !ends_a_line(idstr) {
            return Err(format!("a RAM block cannot be named '{}'", idstr.escape_debug()).into());
        }
        text += &format!("block {offset:#x} {length:#x} {idstr}\n");
    }
    Ok(text)
}

impl Report for Flat {
    fn text(&self) -> String {
        format!("wrote {}\n\n{}", shown(&self.output), self.info.text())
    }

    fn json(&self) -> Value {
        self.info.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        let lines = regions(json, "ram").map_err(|error| error.to_string());
        lines.map_or_else(|error| error, |lines| description("dump", &lines).unwrap())
    }

    #[test]
    fn regions_of_firecracker() {
        let json = r#"[{"base_host_virt_addr":140000,"size":8192,"offset":0,"page_size":4096},
                       {"base_host_virt_addr":990000,"size":4096,"offset":8192,"page_size":4096}]"#;
        assert_eq!(shown(json), "uffd-incoming flat 1\nimage dump\nblock 0x0 0x2000 ram0\nblock 0x2000 0x1000 ram1\n");
    }

    #[test]
    fn ranges_of_cloud_hypervisor() {
        let state =
            r#"{"memory_ranges":{"data":[{"gpa":0,"length":8192},{"gpa":4294967296,"length":4096}]},"boot_ram":12288}"#;
        let state = serde_json::json!({"snapshots": {"memory-manager": {"snapshot_data": {"state": state}}}});
        let blocks = "block 0x0 0x2000 ram@0x0\nblock 0x2000 0x1000 ram@0x100000000\n";
        assert_eq!(shown(&state.to_string()), format!("uffd-incoming flat 1\nimage dump\n{blocks}"));
    }

    #[test]
    fn other_json_is_refused() {
        assert_eq!(shown("{}"), "neither a list of regions nor Cloud Hypervisor's \"memory_ranges\"");
        assert_eq!(shown("[]"), "it lists no region");
        assert_eq!(shown(r#"[{"offset":0}]"#), "region 0 has no length or size");
        assert_eq!(shown(r#"[{"size":4096,"length":4096}]"#), "region 0 has a length and a size");
        assert_eq!(shown(r#"[{"size":4096,"offset":"0"}]"#), "region 0: the offset \"0\" is not a number of bytes");
        let beyond = r#"[{"size":18446744073709551615,"offset":1}]"#;
        assert_eq!(shown(beyond), "region 0 ends beyond 2^64");
    }
}
