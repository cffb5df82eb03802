#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# What is built stays built until a source changes: rebuild.sh BUILD_DIR LIBRARY [COMMAND]
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

is_made_of() { # OUTPUT SOURCE
    "$NINJA" -C "$build" -t deps "$1" | grep -q "/$2\$" || {
        echo "expected Ninja to know that $1 is made of $2, seen:"
        "$NINJA" -C "$build" -t deps "$1"
        exit 1
    }
}
is_made_of "$library" src/lib.rs
is_made_of "$library" src/abi/mod.rs
if [ -n "${3-}" ]; then
    is_made_of "$3" src/lib.rs
    is_made_of "$3" cli/src/main.rs
fi
