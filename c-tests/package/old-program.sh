#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A program that was compiled with the header of the last release runs with this library, and so does one from before the last fields
# of its structs: old-program.sh STORED_HEADER LIBRARY PROGRAM.c SNAPSHOT
set -eu
stored=$1 library=$(realpath "$2") program=$3 snapshot=$4

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir "$scratch/stored" "$scratch/older"
cp "$stored" "$scratch/stored/uffd-incoming.h"
sed '/^    uint32_t reader_threads;$/,/^    uint32_t reserved;$/d; /^    uint64_t bytes_read_on_demand;$/d' "$stored" \
    >"$scratch/older/uffd-incoming.h"
[ "$(diff "$scratch/stored/uffd-incoming.h" "$scratch/older/uffd-incoming.h" | grep -c '^< .*;$')" -eq 3 ] || {
    echo "expected three fields to be left out"
    exit 1
}
ln -s "$library" "$scratch/libuffd_incoming.so.0"
for header in stored older; do
    # shellcheck disable=SC2086 # a compiler may come with flags
    $CC -Wall -Wextra -Werror -I"$scratch/$header" "$program" "$scratch/libuffd_incoming.so.0" -o "$scratch/$header/program"
    said=$(LD_LIBRARY_PATH=$scratch "$scratch/$header/program" "$snapshot")
    [ "$said" = restored ] || {
        echo "expected a program with the $header header to say 'restored', saw '$said'"
        exit 1
    }
done
