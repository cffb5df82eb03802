#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs a test program without privileges: as-ordinary-user.sh PROGRAM
# Root becomes nobody, who may not be able to look into the build directory: the program gets copies of all it needs.
set -eu
program=$1
export UFFD_TEST_USER_MODE_ONLY=1

[ "$(id -u)" -eq 0 ] || exec "$program"

nobody=65534
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
trap 'exit 143' INT TERM

cp "$program" "$room/program"
cp -r "$UFFD_TEST_DATA" "$room/data"
cp --sparse=always "$UFFD_TEST_SNAPSHOT" "$room/snapshot"
chown -R "$nobody:$nobody" "$room"

cd "$room"
export TMPDIR="$room" UFFD_TEST_DATA="$room/data" UFFD_TEST_SNAPSHOT="$room/snapshot"
setpriv --reuid "$nobody" --regid "$nobody" --clear-groups ./program
