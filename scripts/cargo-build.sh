#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the library with cargo and hands it to Meson, which calls this:
# cargo-build.sh CARGO SOURCE_DIR TARGET_DIR DEPFILE LIB.so LIB.so.0 LIB.a
set -eu
cargo=$1 source_dir=$2 target_dir=$3 depfile=$4 link=$5 shared=$6 archive=$7

# From within the source directory, where a vendored or offline set-up has its .cargo/config.toml.
# --frozen: a build never reaches for the network.
(
    cd "$source_dir" || exit
    unset CARGO_BUILD_TARGET # the libraries would land elsewhere
    "$cargo" build --lib --release --frozen --target-dir "$target_dir"
) || {
    echo "If crates are missing, run \`cargo fetch --locked\` in $source_dir: this build never uses the network." >&2
    exit 1
}

built=$target_dir/release
cp "$built/libuffd_incoming.so" "$shared"
ln -sf "$(basename "$shared")" "$link"
"$source_dir/scripts/own-archive.sh" "$built/libuffd_incoming.so" "$built/libuffd_incoming.a" "$archive"

# Cargo tells what each of its outputs was made of; for Ninja that is what ours were made of.
sed -n "s|^.*/libuffd_incoming\.[a-z]*: |$link: |p" "$built/libuffd_incoming.d" >"$depfile"
