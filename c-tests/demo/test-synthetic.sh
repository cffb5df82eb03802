#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A large snapshot with runs of zeros and stale bytes is restored: test-synthetic.sh RESTORE SYNTH MEMORY
set -eu
restore=$1 synth=$2 memory=$3
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

"$synth" --seed=7 256M "$room/snapshot"
"$restore" --memory="$memory" --fault-threads=2 --working-set=256M "$room/snapshot"
