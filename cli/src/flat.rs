//! Writes the description of a raw image.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use uffd_incoming::Snapshot;

use crate::info::Info;
use crate::output::Report;

/// What is said of the image on the command line.
pub struct Layout {
    pub blocks: Vec<String>,
    pub regions: Option<PathBuf>,
    pub name: String,
}

/// A `block` line.
struct Line {
    offset: u64,
    length: u64,
    idstr: String,
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
    let shown = |what: &Path, error: std::io::Error| format!("{}: {error}", what.display());
    let image_length = fs::metadata(dump).map_err(|error| shown(dump, error))?.len();
    let lines = lines(layout, image_length)?;
    let text = description(&image_name(dump, &output)?, &lines)?;

    // A description that cannot be opened never takes the place of another.
    let mut temporary = OsString::from(&output);
    temporary.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = File::create_new(&temporary).and_then(|mut file| file.write_all(text.as_bytes()));
    let opened = written.map_err(|error| shown(&temporary, error).into()).and_then(|()| {
        let snapshot = Snapshot::open(&temporary).map_err(|error| format!("this would not open: {error}"))?;
        put_in_place(&temporary, &output, force)?;
        Ok(Info::of(&output, &snapshot))
    });
    let _ = fs::remove_file(&temporary);
    opened.map(|info| Flat { output, info })
}

/// A name that exists is only replaced if that is asked for.
fn put_in_place(from: &Path, to: &Path, force: bool) -> Result<(), Box<dyn Error>> {
    let put = if force { fs::rename(from, to) } else { fs::hard_link(from, to) };
    Ok(put.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{} exists: give another --output, or --force", to.display()),
        _ => format!("{}: {error}", to.display()),
    })?)
}

/// The image as the description names it: relative to itself, where both lie in one directory.
fn image_name(dump: &Path, output: &Path) -> Result<String, Box<dyn Error>> {
    let directory = |path: &Path| match path.parent() {
        Some(parent) if parent != Path::new("") => fs::canonicalize(parent),
        _ => fs::canonicalize("."),
    };
    let name = dump.file_name().ok_or("the image has no name")?;
    let full = directory(dump)?.join(name);
    let path = if directory(dump)? == directory(output)? { PathBuf::from(name) } else { full };
    let text =
        path.into_os_string().into_string().map_err(|path| format!("{} is not UTF-8", Path::new(&path).display()))?;
    if text.trim() != text || text.contains('\n') {
        return Err(format!(
            "a description cannot name '{}': it has a line feed, or a space at an end",
            text.escape_debug()
        )
        .into());
    }
    Ok(text)
}

fn lines(layout: &Layout, image_length: u64) -> Result<Vec<Line>, Box<dyn Error>> {
    if let Some(path) = &layout.regions {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        return regions(&text, &layout.name).map_err(|error| format!("{}: {error}", path.display()).into());
    }
    if layout.blocks.is_empty() {
        return Ok(vec![Line { offset: 0, length: image_length, idstr: layout.name.clone() }]);
    }
    layout.blocks.iter().map(|text| block(text)).collect()
}

fn block(text: &str) -> Result<Line, Box<dyn Error>> {
    let mut parts = text.splitn(3, ':');
    let (Some(offset), Some(length), Some(idstr)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("--block '{text}' is not OFFSET:LENGTH:NAME").into());
    };
    let number = |number: &str| {
        let hex = number.strip_prefix("0x");
        let parsed = hex.map_or_else(|| number.parse(), |hex| u64::from_str_radix(hex, 16));
        parsed.map_err(|error| format!("--block '{text}': '{number}': {error}"))
    };
    Ok(Line { offset: number(offset)?, length: number(length)?, idstr: idstr.into() })
}

/// The regions that a VMM lists, in their order. Cloud Hypervisor's have no offsets: they follow each other in the file.
fn regions(text: &str, name: &str) -> Result<Vec<Line>, Box<dyn Error>> {
    let json: Value = serde_json::from_str(text)?;
    let listed = find_ranges(&json).or_else(|| json.as_array().cloned());
    let listed = listed.ok_or("neither a list of regions nor Cloud Hypervisor's \"memory_ranges\"")?;
    let mut end = 0;
    let mut lines = Vec::new();
    for (index, region) in listed.iter().enumerate() {
        let field = |name| region.get(name).and_then(Value::as_u64);
        let length =
            field("length").or(field("size")).ok_or_else(|| format!("region {index} has no length or size"))?;
        let offset = field("offset").unwrap_or(end);
        end = offset.checked_add(length).ok_or_else(|| format!("region {index} ends beyond 2^64"))?;
        let idstr = field("gpa").map_or_else(|| format!("{name}{index}"), |gpa| format!("{name}@{gpa:#x}"));
        lines.push(Line { offset, length, idstr });
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
        Value::String(text) if text.contains("\"memory_ranges\"") => find_ranges(&serde_json::from_str(text).ok()?),
        _ => None,
    }
}

fn description(image: &str, lines: &[Line]) -> Result<String, Box<dyn Error>> {
    let mut text = format!("uffd-incoming flat 1\nimage {image}\n");
    for Line { offset, length, idstr } in lines {
        if idstr.trim() != idstr || idstr.contains('\n') {
            return Err(format!("a RAM block cannot be named '{}'", idstr.escape_debug()).into());
        }
        text += &format!("block {offset:#x} {length:#x} {idstr}\n");
    }
    Ok(text)
}

impl Report for Flat {
    fn text(&self) -> String {
        format!("wrote {}\n\n{}", self.output.display(), self.info.text())
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
        let beyond = r#"[{"size":18446744073709551615,"offset":1}]"#;
        assert_eq!(shown(beyond), "region 0 ends beyond 2^64");
    }
}
