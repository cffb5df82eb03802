#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A made-up snapshot that does not fit is not begun; a write that fails ends it at once. Neither leaves a file:
# test-no-space.sh SYNTH DEMO_SCRIPT BUILD_DIR
set -eu
synth=$1 script=$2 build=$3
unset SNAPSHOT REFERENCE
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# Runs what is to fail soon; $1 is what it has to say.
fails() {
    words=$1
    shift
    status=0
    timeout 10 "$@" >"$TMPDIR.out" 2>&1 || status=$?
    if [ "$status" -ne 2 ] || ! grep -q "$words" "$TMPDIR.out"; then
        echo "expected status 2 and '$words', saw $status and:" >&2
        cat "$TMPDIR.out" >&2
        exit 1
    fi
    rm "$TMPDIR.out"
    [ -z "$(ls "$TMPDIR")" ] || { echo "expected no file to be left, saw $(ls "$TMPDIR")" >&2; exit 1; }
}

# Should it be begun all the same: a file of 64 MiB at most.
ulimit -f 65536
trap '' XFSZ
fails 'bytes are free' "$synth" 500T "$TMPDIR/snapshot"
fails 'bytes are free' env SYNTH=500T "$script" "$build"
fails 'File too large' "$synth" --blocks=1 --zero-percent=0 512M "$TMPDIR/snapshot"
