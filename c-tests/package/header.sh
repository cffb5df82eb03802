#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The header is valid C11 and C++17, in all the ways that header.c includes it: header.sh HEADER.C HEADER LIBRARY
set -eu
source=$1 header=$2 library=$3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

compiles() { # COMPILER-WITH-FLAGS...
    "$@" -Wall -Wextra -Werror -pedantic -I "$(dirname "$header")" "$source" \
        -x none "$library" -o "$scratch/program" || {
        echo "expected to compile: $* $source"
        exit 1
    }
    LD_LIBRARY_PATH=$(dirname "$library") "$scratch/program"
}

for own_types in -UOWN_TYPES -DOWN_TYPES; do
    # shellcheck disable=SC2086 # a compiler may come with flags
    {
        compiles $CC -x c -std=c11 $own_types
        compiles $CXX -x c++ -std=c++17 $own_types
    }
done
