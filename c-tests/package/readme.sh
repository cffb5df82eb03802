#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The C program of the README is examples/restore.c, which is compiled and run, but for its first comment: readme.sh README EXAMPLE
set -eu
readme=$1 example=$2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

sed -n '/^```c$/,/^```$/p' "$readme" | sed '/^```/d' >"$scratch/shown"
sed '1,/^ \*\/$/d' "$example" >"$scratch/example"
[ -s "$scratch/example" ]
diff -u "$scratch/example" "$scratch/shown" || {
    echo "expected the C program of $readme to be $example"
    exit 1
}
