#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the Rust examples, as scripts/lint.sh has built them; with `kvm` the one that has crates of its own. Those in C are tests of
# Meson's: examples.sh [kvm]
set -eu
cd "$(dirname "$0")/.."

if [ "${1-}" = kvm ]; then
    if [ ! -e /dev/kvm ] || { [ "$(id -u)" -ne 0 ] && [ ! -w /dev/kvm ]; }; then
        echo "NOT RUN: examples/kvm needs /dev/kvm"
        exit
    fi
    CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}" exec cargo run --quiet --locked --manifest-path examples/kvm/Cargo.toml
fi

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
