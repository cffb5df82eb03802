#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the command with cargo and hands it to Meson, which calls this: cargo-command.sh CARGO SOURCE_DIR TARGET_DIR DEPFILE COMMAND CC...
#   RUST_TARGET   for which machine, as Rust names it; empty: this one
set -eu
cargo=$1 source_dir=$2 target_dir=$3 depfile=$4 command=$5
shift 5

unset CARGO_BUILD_TARGET # the command would land elsewhere
built=$target_dir/release
options=
if [ -n "${RUST_TARGET-}" ]; then
    built=$target_dir/$RUST_TARGET/release
    options="--target $RUST_TARGET"
    # shellcheck source=scripts/cargo-target.sh
    . "$source_dir/scripts/cargo-target.sh"
fi
# As scripts/cargo-build.sh does it.
# shellcheck disable=SC2086 # words, if any
(cd "$source_dir" && "$cargo" build --package uffd-incoming-cli --release --frozen --target-dir "$target_dir" $options) || {
    echo "If crates are missing, run \`cargo fetch --locked\` in $source_dir: this build never uses the network." >&2
    exit 1
}
cp "$built/$(basename "$command")" "$command"
sed -n "s|^.*/uffd-incoming: |$command: |p" "$built/uffd-incoming.d" >"$depfile"
