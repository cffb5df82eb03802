#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# All six blocks of the real snapshot are restored: test-real-snapshot.sh RESTORE SNAPSHOT
set -eu
restore=$1 snapshot=$2
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

"$restore" --table "$snapshot" >"$room/table" 2>"$room/errors"
cat "$room/table"

for block in pc.ram /rom@etc/acpi/tables pc.bios pc.rom /rom@etc/table-loader /rom@etc/acpi/rsdp; do
    grep -q "^  $block .*  identical\$" "$room/table" || {
        echo "expected the block $block to be identical, see the table above" >&2
        exit 1
    }
done
# No progress bar where there is no terminal.
if [ -s "$room/errors" ]; then
    echo "expected nothing on stderr, saw:" >&2
    cat "$room/errors" >&2
    exit 1
fi
