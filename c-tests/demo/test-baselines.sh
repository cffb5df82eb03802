#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A full read and a private mapping give the same RAM as a lazy load. Where the file has old bytes under zero pages, the
# mapping has to leave them out: test-baselines.sh RESTORE SYNTH
set -eu
restore=$1 synth=$2
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

fail() {
    cat "$room/screen" >&2
    echo "$*" >&2
    exit 1
}

for stale in 0 25; do
    "$synth" --stale-percent="$stale" 64M "$room/snapshot"
    "$restore" --baselines "$room/snapshot" >"$room/screen"
    grep -q '^every byte compared: identical, in 3 restores' "$room/screen" || fail "expected 3 identical restores"
    [ "$(grep -cE '^  (lazy load|full read|private mapping) +[0-9.]+ (ms|ns) \|#+$' "$room/screen")" -eq 15 ] ||
        fail "expected 15 figures with bars"
    grep -q 'the library served [1-9][0-9]* faults$' "$room/screen" || fail "expected faults"
done

# From the disk, where the temporary directory is on one.
status=0
"$restore" --baselines --cold "$room/snapshot" >"$room/screen" 2>&1 || status=$?
case $status in
0) grep -q 'MiB of data on the disk$' "$room/screen" || fail "expected the data to be on the disk" ;;
2) grep -q 'its file system keeps it in memory' "$room/screen" || fail "expected the reason why not" ;;
*) fail "expected status 0 or 2, saw $status" ;;
esac

# A way that gives other RAM is named, and where it differs.
"$synth" --stale-percent=25 --seed=2 64M "$room/other"
status=0
"$restore" --baselines --reference="$room/other" "$room/snapshot" >"$room/screen" || status=$?
[ "$status" -eq 1 ] || fail "expected status 1, saw $status"
for way in 'lazy load' 'full read' 'private mapping'; do
    grep -q "^$way: the RAM differs" "$room/screen" || fail "expected '$way' to be named"
done
grep -q '^  ram0 .* DIFFERS at offset 0x' "$room/screen" || fail "expected the offset in ram0"
