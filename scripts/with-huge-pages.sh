#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs a command while at least COUNT huge pages of 2 MiB are reserved: with-huge-pages.sh COUNT COMMAND...
# Only root can reserve them; for other users the command simply runs.
set -eu
count=$1
shift

reserved=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
if [ "$(id -u)" -ne 0 ] || ! [ -w "$reserved" ]; then
    exec "$@"
fi

former=$(cat "$reserved")
if [ "$former" -lt "$count" ]; then
    trap 'echo "$former" >"$reserved"' EXIT
    trap 'exit 130' INT TERM
    echo "$count" >"$reserved"
    now=$(cat "$reserved")
    [ "$now" -ge "$count" ] || echo "with-huge-pages.sh: asked for $count huge pages, Linux reserved $now" >&2
fi
"$@"
