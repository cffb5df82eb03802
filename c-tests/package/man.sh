#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Each function of the header has a man page, all pages are shown without a warning, and whatis finds their names:
# man.sh HEADER BUILD_DIR
set -eu
header=$1 build=$2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$(dirname "$0")/declared.sh" "$header" | while read -r function; do
    [ -f "$build/$function.3" ] || {
        echo "expected a man page for $function: run \`meson setup --reconfigure $build\` after adding a function"
        exit 1
    }
done

for page in "$build"/*.[37]; do
    LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" >/dev/null 2>"$scratch/warnings"
    if [ -s "$scratch/warnings" ]; then
        cat "$scratch/warnings"
        echo "expected no warning about $page"
        exit 1
    fi
    lexgrog "$page" >/dev/null || {
        echo "expected whatis to find a name and what it is in $page"
        exit 1
    }
done
