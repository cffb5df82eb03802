#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The shared library has the right soname, and both libraries show the functions of the header, no more and no fewer:
# symbols.sh HEADER LIBRARY ARCHIVE
set -eu
export LC_ALL=C
header=$1 library=$2 archive=$3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$(dirname "$0")/declared.sh" "$header" >"$scratch/declared"
nm -D --defined-only --format=posix "$library" | sed -n 's/@@\(UFFD_INCOMING_[0-9.]*\) T .*/@\1/p' | sort >"$scratch/versions"
sed 's/@.*//' "$scratch/versions" >"$scratch/exported"
nm --extern-only --defined-only --format=posix "$archive" | sed -n 's/ .*//p' | sort >"$scratch/archived"

if ! [ -s "$scratch/declared" ]; then
    echo "expected declarations of functions in $header, found none"
    exit 1
fi
if ! diff -u "$scratch/declared" "$scratch/exported"; then
    echo "expected $library to export (+) just what the header declares (-), each function with a version"
    exit 1
fi

if ! diff -u "$scratch/declared" "$scratch/archived"; then
    echo "expected $archive to define (+) just what the header declares (-)"
    exit 1
fi

if ! diff -u "$(dirname "$0")/abi/versions" "$scratch/versions"; then
    echo "expected (-) the functions of $library to have these versions: run \`make abi\` if one was added"
    exit 1
fi

soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
if [ "$soname" != libuffd_incoming.so.0 ]; then
    echo "expected the soname libuffd_incoming.so.0, seen '$soname'"
    exit 1
fi
