//! Runs the command on real files, and all that docs/command.md shows of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const COMMAND: &str = env!("CARGO_BIN_EXE_uffd-incoming");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// A directory with a snapshot of a PC, "vm.mapped-ram", and a raw image, "memory".
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let packed = root().join("c-tests/data/pc-firmware-16m.mapped-ram.zst");
    let unpacked =
        Command::new("zstd").args(["-dq"]).arg(packed).arg("-o").arg(directory.path().join("vm.mapped-ram")).status();
    assert!(unpacked.expect("zstd runs").success());
    let image: Vec<u8> = (0..3 << 20).map(|at| if at < 1 << 20 { 0 } else { (at >> 12) as u8 | 1 }).collect();
    fs::write(directory.path().join("memory"), image).unwrap();
    directory
}

fn run(directory: &TempDir, arguments: &[&str]) -> Output {
    Command::new(COMMAND).args(arguments).current_dir(directory.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn good(directory: &TempDir, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn json(directory: &TempDir, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&good(directory, &[arguments, &["--json"]].concat())).unwrap()
}

/// Fails with status 1; what it says.
fn refused(directory: &TempDir, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn probe_says_what_is_open() {
    let probe = json(&directory(), &["probe"]);
    assert_eq!(probe["ways"]["syscall"]["open"], true, "{probe}");
    assert_eq!(probe["features"]["thread-id"], true, "{probe}");
}

#[test]
fn info_has_the_sizes_of_the_blocks() {
    let info = json(&directory(), &["info", "vm.mapped-ram"]);
    assert_eq!(info["format"]["multifd"], false);
    assert_eq!(info["blocks"][0]["idstr"], "pc.ram");
    assert_eq!(info["blocks"][0]["length"], 16 << 20);
    let sum =
        |of: &str| info["blocks"].as_array().unwrap().iter().map(|block| block[of].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (sum("data_bytes"), sum("length")),
        (info["data_bytes"].as_u64().unwrap(), info["length"].as_u64().unwrap())
    );
    assert_eq!(sum("data_bytes") + sum("zero_bytes"), sum("length"));
}

#[test]
fn verify_finds_a_file_that_was_cut_off() {
    let directory = directory();
    let path = directory.path().join("vm.mapped-ram");
    let state = json(&directory, &["info", "vm.mapped-ram"])["format"]["device_state_bytes"].as_u64().unwrap();
    let verified = json(&directory, &["verify", "vm.mapped-ram"]);
    assert_eq!((&verified["good"], verified["data_bytes_read"].as_u64()), (&true.into(), Some(462_848)));
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - state / 2).unwrap();
    assert!(refused(&directory, &["verify", "vm.mapped-ram"]).contains("the file has been cut off"));
    file.set_len(length - state).unwrap();
    assert!(refused(&directory, &["verify", "vm.mapped-ram"]).contains("without the state of the devices"));
    file.set_len(length - state - 4096).unwrap();
    assert!(refused(&directory, &["verify", "vm.mapped-ram"]).contains("the file is truncated"));
}

#[test]
fn verify_counts_pages_of_zeros() {
    let directory = directory();
    good(&directory, &["flat", "memory"]);
    let verified = json(&directory, &["verify", "memory.flat"]);
    assert_eq!((verified["zero_bytes"].as_u64(), verified["data_bytes_read"].as_u64()), (Some(1 << 20), Some(3 << 20)));
}

#[test]
fn flat_replaces_nothing_unasked_and_leaves_nothing_behind() {
    let directory = directory();
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for wrong in ["0:0x1000", "0:1M:ram", "+0:4096:ram"] {
        let output = run(&directory, &["flat", "memory", "--block", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", text(&output.stderr));
    }
    let beyond = refused(&directory, &["flat", "memory", "--block", "0:0x400000:ram"]);
    assert!(beyond.contains("'memory.flat': line 3: ") || beyond.contains("ends at 0x400000"), "{beyond}");
    assert!(refused(&directory, &["flat", "memory", "-o", "nowhere/vm.flat"]).contains("nowhere: No such file"));
    assert!(refused(&directory, &["flat", "vm.mapped-ram"]).contains("no raw image, but a migration stream"));
    assert!(refused(&directory, &["flat", "."]).contains("not a regular file"));
    assert!(refused(&directory, &["flat", "missing"]).contains("missing: No such file"));
    assert_eq!(names(), before);
    good(&directory, &["flat", "memory", "--name", "first"]);
    let written = fs::read_to_string(directory.path().join("memory.flat")).unwrap();
    assert_eq!(written, "uffd-incoming flat 1\nimage memory\nblock 0x0 0x300000 first\n");
    assert!(refused(&directory, &["flat", "memory"]).contains("memory.flat exists"));
    assert_eq!(fs::read_to_string(directory.path().join("memory.flat")).unwrap(), written);
    let info =
        json(&directory, &["flat", "memory", "--force", "--block", "0x1000:8192:low", "--block", "12288:4096:high"]);
    assert_eq!(info["format"]["unused_bytes"], (3 << 20) - 12288);
    assert_eq!(info["blocks"][1]["idstr"], "high");
    assert_eq!(names().len(), before.len() + 1);
}

/// What would be lost is worth more than what is written.
#[test]
fn force_replaces_nothing_but_what_was_written_before() {
    let directory = directory();
    let image = fs::read(directory.path().join("memory")).unwrap();
    assert!(refused(&directory, &["flat", "memory", "-o", "memory", "--force"]).contains("--force replaces only"));
    assert_eq!(fs::read(directory.path().join("memory")).unwrap(), image);
    recorded(&directory);
    let set = fs::read(directory.path().join("boot.ws")).unwrap();
    assert!(
        refused(&directory, &["working-set", "boot.ws", "--svg", "boot.ws", "--force"])
            .contains("--force replaces only")
    );
    assert!(refused(&directory, &["working-set", "boot.ws", "--svg", "memory"]).contains("memory exists"));
    assert_eq!(fs::read(directory.path().join("boot.ws")).unwrap(), set);
    good(&directory, &["working-set", "boot.ws", "--svg", "boot.svg"]);
    good(&directory, &["working-set", "boot.ws", "--svg", "boot.svg", "--force"]);
}

#[test]
fn what_cannot_be_written_is_an_error_and_no_panic() {
    let directory = directory();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(COMMAND);
        command.args(arguments).current_dir(directory.path());
        command
    };
    let output = command(&["info", "vm.mapped-ram"]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("standard output: No space"));
    assert_eq!(command(&["info", "missing"]).stderr(full()).status().unwrap().code(), Some(1));
}

#[test]
fn a_reader_that_has_seen_enough_does_not_change_the_verdict() {
    let directory = directory();
    let file = fs::OpenOptions::new().write(true).open(directory.path().join("vm.mapped-ram")).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    for (name, expected) in [("vm.mapped-ram", 1), ("memory.flat", 0)] {
        recorded(&directory);
        let mut child = Command::new(COMMAND)
            .args(["verify", name])
            .stdout(Stdio::piped())
            .current_dir(directory.path())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(expected), "{name}");
        fs::remove_file(directory.path().join("memory.flat")).unwrap();
    }
}

#[test]
fn flat_names_an_image_elsewhere_by_its_full_path() {
    let directory = directory();
    fs::create_dir(directory.path().join("other")).unwrap();
    let regions = r#"[{"size": 1048576, "offset": 0}, {"size": 2097152, "offset": 1048576}]"#;
    fs::write(directory.path().join("regions.json"), regions).unwrap();
    good(&directory, &["flat", "memory", "--regions", "regions.json", "-o", "other/vm.flat"]);
    let info = json(&directory, &["info", "other/vm.flat"]);
    assert_eq!((&info["blocks"][0]["idstr"], &info["blocks"][1]["length"]), (&"ram0".into(), &(2 << 20).into()));
}

#[test]
fn a_working_set_of_another_snapshot_is_told() {
    let directory = directory();
    recorded(&directory);
    let set = json(&directory, &["working-set", "boot.ws", "--snapshot", "memory.flat", "--svg", "boot.svg"]);
    assert_eq!((&set["belongs_to_snapshot"], &set["blocks"][0]["name"]), (&true.into(), &"ram".into()));
    assert!(set["bytes"].as_u64().unwrap() >= 8192, "{set}");
    let svg = fs::read_to_string(directory.path().join("boot.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert!(
        refused(&directory, &["working-set", "boot.ws", "--snapshot", "vm.mapped-ram"]).contains("of another snapshot")
    );
    assert!(refused(&directory, &["working-set", "memory"]).contains("no working set"));
}

#[test]
fn bench_measures_every_way() {
    let directory = directory();
    recorded(&directory);
    let bench = json(&directory, &["bench", "memory.flat", "--working-set", "boot.ws", "--rounds", "1", "--cold"]);
    assert_eq!(bench["ways"]["mapped"]["all"], serde_json::Value::Null);
    for way in ["lazy", "lazy_replayed", "read", "mapped"] {
        let seconds = |what: &str| bench["ways"][way][what].as_f64().unwrap();
        assert!(seconds("first_page") > 0.0 && seconds("set") >= seconds("first_page"), "{way}: {bench}");
    }
    assert!(
        refused(&directory, &["bench", "vm.mapped-ram", "--working-set", "boot.ws"]).contains("of another snapshot")
    );
}

/// Writes "memory.flat", and "boot.ws", as a restore of it records it.
fn recorded(directory: &TempDir) {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
    use std::sync::Arc;
    use uffd_incoming::{BlockId, Config, Incoming, LoadConfig, RamBlockSpec, Snapshot, load};

    good(directory, &["flat", "memory"]);
    let snapshot = Arc::new(Snapshot::open(&directory.path().join("memory.flat")).unwrap());
    let length = snapshot.blocks()[0].length();
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses where; nothing else is there.
    let ram = unsafe { mmap_anonymous(None, (length as usize).try_into().unwrap(), protection, MapFlags::MAP_PRIVATE) }
        .unwrap();
    let incoming = Incoming::new(Config::default()).unwrap();
    let spec = RamBlockSpec { idstr: "ram".into(), host: ram.as_ptr().expose_provenance(), length, page_size: 4096 };
    // SAFETY: it stays mapped, and no reference points into it.
    unsafe { incoming.add_ram_block(BlockId(1), spec) }.unwrap();
    let record = Some(directory.path().join("boot.ws"));
    load(&incoming, &snapshot, &LoadConfig { background: false, working_set_record: record, ..LoadConfig::default() })
        .unwrap();
    for page in [700, 300, 301, 500] {
        // SAFETY: inside of the mapping.
        unsafe { ram.cast::<u8>().add(page * 4096).read_volatile() };
    }
    incoming.abort().unwrap();
}

/// In a block of "console" the output is the same; in one of "console varies" the first words of its lines. UPDATE=1 writes what the
/// command prints.
#[test]
fn the_documentation_shows_what_the_command_prints() {
    let directory = directory();
    recorded(&directory);
    fs::remove_file(directory.path().join("memory.flat")).unwrap();
    let update = std::env::var_os("UPDATE").is_some();
    let path = root().join("docs/command.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut parts = page.split("```console");
    let mut updated = parts.next().unwrap().to_owned();
    for part in parts {
        let (kind, rest) = part.split_once('\n').unwrap();
        let (body, behind) = rest.split_once("```").unwrap();
        let printed = body
            .lines()
            .filter(|line| line.starts_with("$ "))
            .map(|line| format!("{line}\n{}", printed(&directory, line)));
        let printed: String = printed.collect();
        if !update && kind == " varies" && first_words(&printed) == first_words(body) {
            updated += &format!("```console{part}");
        } else {
            updated += &format!("```console{kind}\n{printed}```{behind}");
        }
    }
    if update {
        fs::write(&path, &updated).unwrap();
    } else {
        assert_eq!(updated, page, "run `UPDATE=1 cargo test -p uffd-incoming-cli`");
    }
}

fn printed(directory: &TempDir, line: &str) -> String {
    let arguments = line.strip_prefix("$ uffd-incoming ").unwrap_or_else(|| panic!("{line}"));
    let output = run(directory, &arguments.split(' ').collect::<Vec<_>>());
    // The kernel of whoever updates the page is of no interest.
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    (text(&output.stdout) + &text(&output.stderr)).replace(kernel.trim(), "6.12.48+deb13-amd64")
}

fn first_words(text: &str) -> Vec<Option<&str>> {
    let words = text.lines().map(|line| line.split_whitespace().next());
    // A line of a picture.
    words.map(|word| word.map(|word| if word.starts_with('|') { "|" } else { word })).collect()
}
