#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the library with cargo and hands it to Meson, which calls this:
# cargo-build.sh CARGO SOURCE_DIR TARGET_DIR SANITIZER DEPFILE LIB.so LIB.so.0 LIB.a
set -eu
cargo=$1 source_dir=$2 target_dir=$3 sanitizer=$4 depfile=$5 link=$6 shared=$7 archive=$8

unset CARGO_BUILD_TARGET # the libraries would land elsewhere
built=$target_dir/release
set -- --release
if [ "$sanitizer" != none ]; then
    # The profile `dev` checks overflows, and what the standard library asserts of unsafe code. With a target named, the flags
    # are for the library alone, and not for build scripts. The standard library's own machine code is as it comes.
    target=$(rustc -vV | sed -n 's/^host: //p')
    set -- --target "$target"
    built=$target_dir/$target/debug
    export RUSTFLAGS="-Cforce-frame-pointers=yes -Copt-level=1"
    case $sanitizer in
    address) export RUSTC_WORKSPACE_WRAPPER="$source_dir/scripts/rustc-address.sh" ;;
    thread) RUSTFLAGS="$RUSTFLAGS -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" ;; # in a nightly Rust
    esac
fi

# From within the source directory, where a vendored or offline set-up has its .cargo/config.toml.
# --frozen: a build never reaches for the network.
(
    cd "$source_dir" || exit
    "$cargo" rustc --lib --crate-type cdylib,staticlib --frozen --target-dir "$target_dir" "$@" -- \
        "-Clink-arg=-Wl,-soname,$(basename "$shared")"
) || {
    echo "If crates are missing, run \`cargo fetch --locked\` in $source_dir: this build never uses the network." >&2
    exit 1
}

cp "$built/libuffd_incoming.so" "$shared"
ln -sf "$(basename "$shared")" "$link"
if [ "$sanitizer" != none ]; then
    cp "$built/libuffd_incoming.a" "$archive" # with all symbols, for reports
else
    "$source_dir/scripts/own-archive.sh" "$built/libuffd_incoming.so" "$built/libuffd_incoming.a" "$archive"
fi

# Cargo tells what each of its outputs was made of; for Ninja that is what ours were made of.
sed -n "s|^.*/libuffd_incoming\.[a-z]*: |$link: |p" "$built/libuffd_incoming.d" >"$depfile"
