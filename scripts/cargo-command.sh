#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the command with cargo and hands it to Meson, which calls this: cargo-command.sh CARGO SOURCE_DIR TARGET_DIR DEPFILE COMMAND CC...
#   RUST_TARGET   for which machine, as Rust names it; empty: this one
set -eu
cargo=$1 source_dir=$2 target_dir=$3 depfile=$4 command=$5
shift 5

# shellcheck source=scripts/cargo-target.sh
. "$source_dir/scripts/cargo-target.sh"
# As scripts/cargo-build.sh does it.
# shellcheck disable=SC2086 # words
(cd "$source_dir" && "$cargo" build --package uffd-incoming-cli --frozen --target-dir "$target_dir" $release_options) ||
    build_failed "$source_dir"
cp "$release_dir/$(basename "$command")" "$command"
sed -n "s|^.*/uffd-incoming: |$command: |p" "$release_dir/uffd-incoming.d" >"$depfile"
