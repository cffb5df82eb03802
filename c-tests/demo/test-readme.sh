#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The README shows what `make demo` prints, but for the figures: test-readme.sh DEMO_SCRIPT BUILD_DIR README
set -eu
script=$1 build=$2 readme=$3
unset SNAPSHOT REFERENCE RECORD REPLAY COLD
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

without_figures() { # numbers, what they are of, and bars
    sed -E 's/ *\|#*$//; s/[0-9]+(\.[0-9]+)?(G|M)?/N/g; s/ +/ /g'
}

SYNTH=64M "$script" "$build" | without_figures >"$room/printed"
sed -n '/demo output: begin/,/demo output: end/p' "$readme" | sed '/^<!--/d; /^```/d; /^\$ make demo$/d' |
    without_figures >"$room/shown"
if ! diff -u "$room/shown" "$room/printed" >&2; then
    echo "README.md shows another screen than \`make demo\` prints: copy what it prints between the marks." >&2
    exit 1
fi
