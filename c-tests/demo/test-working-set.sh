#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A working set is recorded and replayed: test-working-set.sh RESTORE SNAPSHOT
set -eu
restore=$1 snapshot=$2
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

"$restore" --record="$room/set" "$snapshot"
[ -s "$room/set" ] || {
    echo "expected a working set in the file, see the table above" >&2
    exit 1
}
"$restore" --replay="$room/set" --record="$room/set" "$snapshot" 2>"$room/errors"

echo nonsense >"$room/nonsense"
"$restore" --replay="$room/nonsense" "$snapshot" 2>"$room/warnings"
cat "$room/errors" "$room/warnings" >&2
if [ -s "$room/errors" ] || ! grep -q "cannot be replayed, and is ignored: '$room/nonsense'" "$room/warnings"; then
    echo "expected a warning about the nonsense, and nothing else on stderr" >&2
    exit 1
fi
