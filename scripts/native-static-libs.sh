#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Prints the system libraries that a program needs beside a Rust static library: native-static-libs.sh RUSTC
set -eu
rustc=$1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: | "$rustc" --crate-name probe --crate-type staticlib --print native-static-libs --out-dir "$scratch" - 2>&1 |
    sed -n 's/^note: native-static-libs: //p'
