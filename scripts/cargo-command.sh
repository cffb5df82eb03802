#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the command with cargo and hands it to Meson, which calls this: cargo-command.sh CARGO SOURCE_DIR TARGET_DIR DEPFILE COMMAND
set -eu
cargo=$1 source_dir=$2 target_dir=$3 depfile=$4 command=$5

unset CARGO_BUILD_TARGET # the command would land elsewhere
# As scripts/cargo-build.sh does it.
(cd "$source_dir" && "$cargo" build --package uffd-incoming-cli --release --frozen --target-dir "$target_dir") || {
    echo "If crates are missing, run \`cargo fetch --locked\` in $source_dir: this build never uses the network." >&2
    exit 1
}
cp "$target_dir/release/$(basename "$command")" "$command"
sed -n "s|^.*/uffd-incoming: |$command: |p" "$target_dir/release/uffd-incoming.d" >"$depfile"
