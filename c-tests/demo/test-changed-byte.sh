#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A byte that is changed in a copy of the real snapshot is found and named; one that lies under a clear bit
# of a bitmap makes no difference: test-changed-byte.sh RESTORE SNAPSHOT
set -eu
restore=$1 snapshot=$2
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

fail() {
    cat "$room/table" "$room/errors" >&2
    echo "$*" >&2
    exit 1
}

change() { # PAGES_OFFSET OFFSET: where the block's pages begin in the file, and the byte in the block
    cp --sparse=always "$snapshot" "$room/changed"
    at=$(($1 + $2))
    byte=$(od -An -tu1 -j "$at" -N 1 "$room/changed")
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf %03o $((byte ^ 255)))" |
        dd of="$room/changed" bs=1 seek="$at" conv=notrunc status=none
}

restore_changed() {
    status=0
    "$restore" --table --reference="$snapshot" "$room/changed" >"$room/table" 2>"$room/errors" || status=$?
}

differs() { # BLOCK PAGES_OFFSET OFFSET: in a page that the file holds
    change "$2" "$3"
    restore_changed
    [ "$status" -eq 1 ] || fail "$1 changed at $3: expected status 1, saw $status"
    grep -q "^  $1 .* DIFFERS at offset $3:" "$room/table" || fail "$1: expected the offset $3 to be named"
    [ "$(grep -c ' identical$' "$room/table")" -eq 5 ] || fail "$1: expected the other five to be identical"
}

makes_no_difference() { # BLOCK PAGES_OFFSET OFFSET: in a page that the file does not hold
    change "$2" "$3"
    restore_changed
    [ "$status" -eq 0 ] || fail "$1 changed at $3, where no page is: expected status 0, saw $status"
}

differs pc.ram 0x100000 0x6123
differs pc.ram 0x100000 0xfe2fff
differs /rom@etc/acpi/tables 0x1200000 0x2000
differs pc.bios 0x1300000 0x3f7ff
differs /rom@etc/table-loader 0x1500000 0x800
differs /rom@etc/acpi/rsdp 0x1600000 0x1
makes_no_difference pc.rom 0x1400000 0x1f001
makes_no_difference pc.ram 0x100000 0x1234
