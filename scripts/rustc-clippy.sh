#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A compiler for cargo (RUSTC_WORKSPACE_WRAPPER) that lints what it compiles, warnings as errors: rustc-clippy.sh RUSTC ARGUMENTS...
# As `cargo clippy` does, but what was linted is what the tests run, and not compiled for them once more.
exec clippy-driver "$@" -Dwarnings
