#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A large snapshot with runs of zeros and stale bytes is restored: test-synthetic.sh RESTORE SYNTH MEMORY
set -eu
restore=$1 synth=$2 memory=$3
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

"$synth" --seed=7 256M "$room/snapshot"
"$restore" --memory="$memory" --fault-threads=2 --working-set=256M "$room/snapshot"

# Nothing but private memory can be mapped: there the rest is loaded, with a warning.
"$restore" --map-private --memory="$memory" --working-set=256M "$room/snapshot" 2>"$room/warnings"
case $memory in
anon) expected=0 ;;
*) expected=3 ;; # its blocks
esac
if [ "$(grep -c "is loaded, and not mapped" "$room/warnings")" != "$expected" ]; then
    echo "expected $expected warnings that a RAM block is not mapped, saw:" >&2
    cat "$room/warnings" >&2
    exit 1
fi
