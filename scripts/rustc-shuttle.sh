#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A compiler for cargo (RUSTC_WORKSPACE_WRAPPER) that compiles the models: rustc-shuttle.sh RUSTC ARGUMENTS...
# Set here, and not for all of cargo, the flag leaves what other crates were built into as it is.
exec "$@" --cfg shuttle
