#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The library, Meson and Cargo agree on the version: version.sh CONSUMER MESON_VERSION CARGO_TOML
set -eu
library=$("$1") meson=$2 cargo=$(sed -n 's/^version = "\(.*\)"/\1/p' "$3")

if [ "$library" != "$cargo" ] || [ "$meson" != "$cargo" ]; then
    echo "expected one version, seen '$library' in the library, '$meson' in meson.build, '$cargo' in Cargo.toml"
    exit 1
fi
