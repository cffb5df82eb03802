#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Checks the sources with the oldest Rust that Cargo.toml promises: what a newer one accepts proves nothing. Needs rustup.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
if ! cargo "+$version" --version >/dev/null 2>&1; then
    command -v rustup >/dev/null || {
        echo "Rust $version is not installed, and rustup is missing: install one of them." >&2
        exit 1
    }
    rustup toolchain install "$version" --profile minimal
fi
exec cargo "+$version" check --locked --workspace --features log,vm-memory --target-dir "${CARGO_TARGET_DIR:-target}/msrv"
