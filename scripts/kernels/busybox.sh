#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Downloads Debian's static busybox for an architecture: busybox.sh ARCHITECTURE FILE
set -eu
architecture=$1 file=$2
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$here/apt.sh" trixie "$architecture" "$scratch" busybox-static
cp "$scratch"/*bin/busybox "$file" 2>/dev/null || cp "$scratch"/usr/bin/busybox "$file"
