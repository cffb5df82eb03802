#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Fuzzes: fuzz.sh [TARGET...], all of them by default. Needs a nightly Rust; installs cargo-fuzz if it is missing.
#   MINUTES=n   for how long each (1)
# What is found lies in fuzz/artifacts: turn it into a file of fuzz/corpus, which `cargo test` runs, too.
set -eu
cd "$(dirname "$0")/.."

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "A nightly Rust is missing, which fuzzing needs: run \`rustup toolchain install nightly\`." >&2
    exit 1
fi
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

[ $# -gt 0 ] || set -- mapped_ram flat working_set c_calls
for target; do
    # What is new is kept apart from what is committed.
    mkdir -p "fuzz/target/corpus/$target"
    # A working set is a list of many short runs; what takes too much memory shows in a long one.
    case $target in working_set) longest=65536 ;; *) longest=4096 ;; esac
    cargo +nightly fuzz run "$target" "fuzz/target/corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time=$((60 * ${MINUTES:-1})) -timeout=30 -max_len=$longest
done
