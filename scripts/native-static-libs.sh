#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Prints the system libraries that a program needs beside a Rust static library: native-static-libs.sh RUSTC [TARGET]
# Not libgcc_s: a C compiler adds that itself where it is needed, and libgcc_eh with -static, where there is no libgcc_s.
set -eu
rustc=$1 target=${2-}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: | "$rustc" --crate-name probe --crate-type staticlib ${target:+--target "$target"} --print native-static-libs --out-dir "$scratch" - 2>&1 |
    sed -n 's/^note: native-static-libs: //p' | sed 's/-lgcc_s *//'
