//! The committed C header is the one that the Rust sources make.

#[test]
fn header_is_up_to_date() {
    let committed = include_str!("../include/uffd-incoming.h");
    let generated = include_str!(concat!(env!("OUT_DIR"), "/uffd-incoming.h"));
    let same_lines = committed.lines().zip(generated.lines()).take_while(|(a, b)| a == b).count();
    assert!(
        committed == generated,
        "include/uffd-incoming.h differs from what the Rust sources make, from line {} on: run `make header`",
        same_lines + 1
    );
}
