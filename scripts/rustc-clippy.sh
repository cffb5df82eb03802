#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A compiler for cargo (RUSTC_WORKSPACE_WRAPPER) that lints what it compiles, warnings as errors: rustc-clippy.sh RUSTC ARGUMENTS...
# As `cargo clippy` does, but what was linted is what the tests run, and not compiled for them once more.
# In bash, since dash drops variables whose names have a hyphen, as cargo's of the command does.
exec clippy-driver "$@" -Dwarnings
