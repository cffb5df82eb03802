#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The library's threads make the system calls that docs/system-calls.txt lists, and no others:
# system-calls.sh LIST RESTORE SYNTH POSTCOPY SNAPSHOT
# First the threads are confined at full speed: a call that is not listed kills the program. Then every call is watched, and
# all that are listed must be seen, but for those that come "sometimes".
set -eu
list=$1 restore=$2 synth=$3 postcopy=$4 snapshot=$5
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

"$synth" --seed=7 64M "$room/synthetic"
cp --sparse=always "$snapshot" "$room/image"
printf 'uffd-incoming flat 1\nimage image\nblock 0x100000 0x1000000 pc.ram\n' >"$room/flat"

run() { # PROGRAM ARGUMENTS...
    status=0
    "$@" >"$room/output" 2>&1 || status=$?
    [ "$status" -ne 77 ] || cat "$room/output" # what this kernel cannot do
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        cat "$room/output" >&2
        echo "$*: expected status 0, saw $status" >&2
        exit 1
    fi
}

run_all() {
    run "$postcopy" "$list"
    run "$postcopy" "$list" poison
    UFFD_TEST_TRACK_DISCARDS=1 run "$postcopy" "$list"
    run "$restore" --system-calls="$list" --record="$room/set" "$snapshot"
    run "$restore" --system-calls="$list" --replay="$room/set" "$snapshot"
    run "$restore" --system-calls="$list" "$room/flat"
    # Not where the temporary directory has no direct reads: in memory, before Linux 6.6.
    if dd if="$room/synthetic" of=/dev/null iflag=direct bs=4096 count=1 status=none 2>"$room/output"; then
        run "$restore" --system-calls="$list" --direct-io "$room/synthetic"
    fi
    for memory in anon memfd; do
        run "$restore" --system-calls="$list" --memory="$memory" --fault-threads=2 --loader-threads=2 "$room/synthetic"
    done
}

[ "$(id -u)" -eq 0 ] || export UFFD_TEST_USER_MODE_ONLY=1
run_all

# As "THREAD CALL [REQUEST]".
awk '/^thread / { thread = $2; next }
     /^#/ || NF == 0 || / sometimes: / { next }
     $1 == "ioctl" { print thread, $1, $2; next }
     { print thread, $1 }' "$list" | sort -u >"$room/needed"

# Some calls come when threads meet, which they do sooner or later.
export SYSTEM_CALLS_SEEN="$room/seen"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    run_all
    sort -u "$room/seen" -o "$room/seen"
    comm -23 "$room/needed" "$room/seen" >"$room/superfluous"
    [ -s "$room/superfluous" ] || exit 0
done
echo "Listed, but not seen; an entry that does not come everywhere, or not in every run, must say \`sometimes: WHY\`:" >&2
cat "$room/superfluous" >&2
exit 1
