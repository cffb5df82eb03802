#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A compiler for cargo (RUSTC_WORKSPACE_WRAPPER) that instruments the library for AddressSanitizer: rustc-address.sh RUSTC ARGUMENTS...
# The option is an unstable one, which RUSTC_BOOTSTRAP allows in any Rust. Set here, and not for all of cargo, it leaves what other
# crates were built into as it is.
export RUSTC_BOOTSTRAP=1
exec "$@" -Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer -Cforce-frame-pointers=yes -Copt-level=1
