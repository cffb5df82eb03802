#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The first C program of the README compiles as printed: readme.sh README HEADER LIBRARY
set -eu
readme=$1 header=$2 library=$3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
program=$scratch/readme.c

# The first block fenced with ```c that has a main().
awk '
    inside && /^```/ { if (block ~ /int main/) { printf "%s", block; exit } inside = 0 }
    inside { block = block $0 "\n" }
    /^```c$/ { inside = 1; block = "" }
' "$readme" >"$program"
if ! [ -s "$program" ]; then
    echo "expected a C program (a \`\`\`c block with int main) in $readme, found none"
    exit 1
fi

# shellcheck disable=SC2086 # a compiler may come with flags
$CC -Wall -Wextra -Werror -I "$(dirname "$header")" "$program" "$library" -o "$scratch/readme" || {
    echo "expected the C program of $readme to compile as printed"
    exit 1
}
