#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The real snapshot's file, described as a flat image, gives the same RAM: test-flat-image.sh RESTORE SNAPSHOT
set -eu
restore=$1 snapshot=$2
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

# Where the pages of each block begin in the file. Under its clear bits there are holes.
cp --sparse=always "$snapshot" "$room/image"
cat >"$room/description" <<EOF
uffd-incoming flat 1
image image
block 0x100000 0x1000000 pc.ram
block 0x1200000 0x20000 /rom@etc/acpi/tables
block 0x1300000 0x40000 pc.bios
block 0x1400000 0x20000 pc.rom
block 0x1500000 4096 /rom@etc/table-loader
block 0x1600000 4096 /rom@etc/acpi/rsdp
EOF
"$restore" "$room/description"
"$restore" --reference="$snapshot" "$room/description"
