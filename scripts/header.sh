#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Brings include/uffd-incoming.h up to date: copies what build.rs made of the Rust sources over it.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo check --lib --locked --message-format=json-render-diagnostics |
    sed -n 's/.*"reason":"build-script-executed".*"out_dir":"\([^"]*\)".*/\1/p' |
    while read -r out_dir; do
        # Of all build scripts only ours makes one.
        if [ -f "$out_dir/uffd-incoming.h" ]; then
            cp -v "$out_dir/uffd-incoming.h" include/uffd-incoming.h
        fi
    done
