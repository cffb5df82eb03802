#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make demo` runs, with each of its inputs: test-script.sh DEMO_SCRIPT BUILD_DIR
set -eu
script=$1 build=$2
unset SNAPSHOT SYNTH REFERENCE RECORD REPLAY COLD
cd "$(dirname "$script")/.."
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

count_identical() { # prints how many snapshots were restored without a difference
    "$script" "$build" | grep -c '^every byte compared: identical'
}

[ "$(SYNTH=64M count_identical)" -eq 2 ]
[ -z "$(ls "$TMPDIR")" ] || { echo "expected the made-up snapshot to be removed" >&2; exit 1; }

"$build"/c-tests/demo/synth 8M "$TMPDIR/one"
"$build"/c-tests/demo/synth --seed=2 8M "$TMPDIR/other"
[ "$(SNAPSHOT=$TMPDIR/one count_identical)" -eq 1 ]

# A working set is one of the real snapshot.
[ "$(RECORD=$TMPDIR/set count_identical)" -eq 1 ]
[ -s "$TMPDIR/set" ]
[ "$(REPLAY=$TMPDIR/set count_identical)" -eq 1 ]

status=0
SNAPSHOT=$TMPDIR/one REFERENCE=$TMPDIR/other "$script" "$build" >/dev/null || status=$?
[ "$status" -eq 1 ] || { echo "expected another reference to differ with status 1, saw $status" >&2; exit 1; }
status=0
SNAPSHOT=$TMPDIR/one SYNTH=8M "$script" "$build" 2>/dev/null || status=$?
[ "$status" -eq 2 ] || { echo "expected SNAPSHOT and SYNTH at once to be refused, saw $status" >&2; exit 1; }
