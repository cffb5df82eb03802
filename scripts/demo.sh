#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Restores a snapshot lazily and compares it with a plain read: demo.sh [BUILD_DIR]
#   SNAPSHOT=path    restore this one; otherwise it is a real one that comes with the sources
#   SYNTH=size       make one up (4G, say), restore it and remove it
#   REFERENCE=path   compare with this snapshot instead
#   RECORD=file      keep there which pages were waited for
#   REPLAY=file      load those first that were waited for in an earlier run
set -eu
build=${1:-build}
restore=$build/c-tests/demo/restore

if [ -n "${SNAPSHOT:-}" ] && [ -n "${SYNTH:-}" ]; then
    echo "demo.sh: SNAPSHOT and SYNTH exclude each other" >&2
    exit 2
fi
if [ -n "${SYNTH:-}" ]; then
    SNAPSHOT=$(mktemp "${TMPDIR:-/var/tmp}/uffd-incoming-synth.XXXXXX")
    trap 'rm -f "$SNAPSHOT"' EXIT
    trap 'exit 130' INT TERM
    echo "Writing a snapshot of $SYNTH to $SNAPSHOT"
    "$build/c-tests/demo/synth" "$SYNTH" "$SNAPSHOT"
fi
"$restore" ${REFERENCE:+--reference="$REFERENCE"} ${RECORD:+--record="$RECORD"} ${REPLAY:+--replay="$REPLAY"} \
    "${SNAPSHOT:-$build/c-tests/pc-firmware-16m.mapped-ram}"
