#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Restores snapshots lazily, and by other ways beside that, and compares every byte: demo.sh [BUILD_DIR]
# It makes up a large snapshot, and removes it; then it restores a real one that comes with the sources.
#   SYNTH=size       make up one of this size (1G, or less where there is little memory)
#   COLD=1           drop the file from the page cache before each restore; the lazy load then uses direct reads
#   SNAPSHOT=path    restore this one only
# Without SYNTH, each of these is for SNAPSHOT, or else for the real snapshot only:
#   REFERENCE=path   compare with this snapshot instead
#   RECORD=file      keep there which pages were waited for
#   REPLAY=file      load those first that were waited for in an earlier run
set -eu
build=${1:-build}
restore=$build/c-tests/demo/restore
real=$build/c-tests/pc-firmware-16m.mapped-ram

if [ -n "${SNAPSHOT:-}" ] && [ -n "${SYNTH:-}" ]; then
    echo "demo.sh: SNAPSHOT and SYNTH exclude each other" >&2
    exit 2
fi

measure() { # SNAPSHOT
    "$restore" --baselines ${COLD:+--cold --direct-io} ${REFERENCE:+--reference="$REFERENCE"} \
        ${RECORD:+--record="$RECORD"} ${REPLAY:+--replay="$REPLAY"} "$1"
}

if [ -z "${SYNTH:-}" ] && [ -n "${REFERENCE:-}${RECORD:-}${REPLAY:-}" ]; then
    SNAPSHOT=${SNAPSHOT:-$real}
fi
if [ -n "${SNAPSHOT:-}" ]; then
    printf '%s: ' "$SNAPSHOT"
    measure "$SNAPSHOT"
    exit
fi

if [ -z "${SYNTH:-}" ]; then
    # The guest's RAM and the page cache: twice the size, and as much again for all else.
    SYNTH=$(awk '/^MemAvailable:/ { print ($2 < 4 * 1024 * 1024 ? "256M" : "1G") }' /proc/meminfo)
fi
made_up=$(mktemp "${TMPDIR:-/var/tmp}/uffd-incoming-synth.XXXXXX")
trap 'rm -f "$made_up"' EXIT
trap 'exit 130' INT TERM
# As a guest that was stopped is saved: no old bytes where zero pages lie.
"$build/c-tests/demo/synth" --stale-percent=0 "$SYNTH" "$made_up"
printf 'A snapshot that is made up: '
measure "$made_up"
printf 'A real snapshot, of a PC in its firmware: '
"$restore" "$real"
