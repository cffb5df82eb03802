//! The committed C header is the one that cbindgen generates from the Rust sources.
//!
//! `make header` runs this test with UFFD_INCOMING_WRITE_HEADER set: then it writes the header.

use std::{env, fs};

#[test]
fn header_is_up_to_date() {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/include/uffd-incoming.h");
    let mut generated = Vec::new();
    cbindgen::generate(root).expect("cbindgen could not read src/abi").write(&mut generated);
    let generated = String::from_utf8(generated).expect("cbindgen writes UTF-8");

    if env::var_os("UFFD_INCOMING_WRITE_HEADER").is_some() {
        fs::write(&path, &generated).expect("include/uffd-incoming.h could not be written");
    }
    let committed = fs::read_to_string(&path).expect("include/uffd-incoming.h could not be read");
    let same_lines = committed.lines().zip(generated.lines()).take_while(|(a, b)| a == b).count();
    assert!(
        committed == generated,
        "include/uffd-incoming.h differs from what the Rust sources make, from line {} on: run `make header`",
        same_lines + 1
    );
}
