#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# What cannot be done ends with status 2 and says why: test-bad-input.sh RESTORE SNAPSHOT
set -eu
restore=$1 snapshot=$2
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

fails_with() { # WORDS ARGUMENTS...
    words=$1
    shift
    status=0
    "$restore" "$@" >"$room/out" 2>"$room/errors" || status=$?
    if [ "$status" -ne 2 ] || ! grep -q "$words" "$room/errors"; then
        echo "restore $*: expected status 2 and '$words', saw status $status and:" >&2
        cat "$room/errors" >&2
        exit 1
    fi
}

head -c 100000 "$snapshot" >"$room/truncated"
echo 'something else' >"$room/other"

fails_with Usage
fails_with Usage --unknown "$snapshot"
fails_with Usage "$snapshot" "$snapshot"
fails_with memory --memory=paper "$snapshot"
fails_with working-set --working-set=much "$snapshot"
fails_with threads --threads=0 "$snapshot"
fails_with "$room/none" "$room/none"
fails_with "$room/truncated.*truncated" "$room/truncated"
fails_with "$room/other" "$room/other"
"$restore" --help | grep -q Usage
