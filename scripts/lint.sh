#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Checks the Rust sources: formatting, then clippy with warnings as errors. The tests are built by that: run them with the same
# RUSTC_WORKSPACE_WRAPPER.
set -eu
cd "$(dirname "$0")/.."

for component in fmt clippy; do
    cargo "$component" --version >/dev/null || {
        echo "cargo $component is missing: run \`rustup component add rustfmt clippy\`, or install them from" \
            "your distribution." >&2
        exit 1
    }
done

cargo fmt --all --check
export RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/rustc-clippy.sh"
# The unit tests see the library as it is released, the others with what fails system calls; the examples use what is built anyway.
cargo test --locked --no-run --lib
cargo test --locked --no-run --features fault-injection --test incoming --test sweep
cargo build --locked --features fault-injection --examples
cargo test --locked --no-run -p uffd-incoming-cli
