#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# What is built stays built until a source changes: rebuild.sh BUILD_DIR LIBRARY
set -eu
build=$1 library=$2

work=$("$NINJA" -C "$build" -n)
case $work in
*"no work to do"*) ;;
*)
    echo "expected Ninja to find no work to do after a build, seen:"
    echo "$work"
    exit 1
    ;;
esac

for source in src/lib.rs src/abi/mod.rs; do
    "$NINJA" -C "$build" -t deps "$library" | grep -q "/$source\$" || {
        echo "expected Ninja to know that the library is made of $source, seen:"
        "$NINJA" -C "$build" -t deps "$library"
        exit 1
    }
done
