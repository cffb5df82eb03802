#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the Rust examples, as scripts/lint.sh has built them; those in C are tests of Meson's.
set -eu
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

example() { # NAME ARGUMENTS...
    name=$1
    shift
    cargo run --quiet --locked --features fault-injection --example "$name" -- "$@"
}

zstd --decompress --quiet c-tests/data/pc-firmware-16m.mapped-ram.zst -o "$scratch/vm.mapped-ram"
example restore "$scratch/vm.mapped-ram"
example postcopy
