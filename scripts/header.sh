#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Brings include/uffd-incoming.h up to date with the Rust sources: the test that compares the two writes it.
set -eu
cd "$(dirname "$0")/.."

UFFD_INCOMING_WRITE_HEADER=1 cargo test --quiet --locked --test header
