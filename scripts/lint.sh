#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Checks the Rust sources: formatting, then clippy with warnings as errors.
set -eu

for component in fmt clippy; do
    cargo "$component" --version >/dev/null || {
        echo "cargo $component is missing: run \`rustup component add rustfmt clippy\`, or install them from" \
            "your distribution." >&2
        exit 1
    }
done

cargo fmt --check
# The tests with what fails system calls, and the library without.
cargo clippy --all-targets --locked --features fault-injection -- -D warnings
cargo clippy --locked -- -D warnings
