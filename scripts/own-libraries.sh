#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes a static library that shows the functions of the shared one and nothing else of itself, so that it gets along with
# other Rust libraries in one program: own-archive.sh LIB.so CARGOS.a ARCHIVE
# Cargo's archive defines the symbols of Rust's runtime, too, and two of those in one program clash.
set -eu
shared=$1 archive=$2 own=$3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
object=$scratch/uffd_incoming.o

nm -D --defined-only --format=posix "$shared" | cut -d ' ' -f 1 >"$scratch/functions"
# One object of all that the functions need. Its groups are dissolved: a group of the same name elsewhere would stand in
# for ours.
# shellcheck disable=SC2046 # one word a function
ld -r --gc-sections --force-group-allocation $(sed 's/^/-u /' "$scratch/functions") "$archive" -o "$object"
objcopy --keep-global-symbols="$scratch/functions" --strip-debug --remove-section=.llvmbc --remove-section=.llvmcmd "$object"
# What was not needed left names behind that other libraries may know as weak ones.
objcopy --strip-unneeded "$object"
# A QEMU may have its own function of this name.
objcopy --weaken-symbol=postcopy_ram_incoming_setup "$object"
rm -f "$own"
ar crs "$own" "$object"
