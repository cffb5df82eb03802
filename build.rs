//! Writes the C header to OUT_DIR and gives the shared library its soname.
//!
//! The committed header, include/uffd-incoming.h, is compared with the one written here by `tests/header.rs`;
//! `make header` copies it over.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=src/abi");
    println!("cargo::rerun-if-changed=cbindgen.toml");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libuffd_incoming.so.0");

    let crate_dir = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out_dir = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    cbindgen::generate(crate_dir)
        .expect("cbindgen could not read src/abi")
        .write_to_file(Path::new(&out_dir).join("uffd-incoming.h"));
}
