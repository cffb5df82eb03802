#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Measures the library beside what VMMs do without it: bench.sh [BUILD_DIR]
# Writes bench.json, bench.svg and the data behind it to BUILD_DIR/bench; takes about six minutes.
#   MIB=n       size of the RAM (512); takes as much on the disk, and up to five times as much memory
#   ROUNDS=n    how often each measurement is repeated (5); 3 times at most where a disk is read
#   ONLY=...    some of: latency following throughput loading memory resume clones arming idle; then there is no picture
set -eu
build=${1:-build}
sources=$(cd "$(dirname "$0")/.." && pwd)
results=$build/bench

mkdir -p "$results"
# shellcheck disable=SC2086 # one word a group
"$build/c-tests/bench/bench" "$results" "${MIB:-512}" "${ROUNDS:-5}" ${ONLY:-}
printf '\nResults: %s\n' "$results/bench.json"
if [ -n "${ONLY:-}" ]; then
    exit 0
fi
if ! command -v gnuplot >/dev/null; then
    echo "gnuplot is missing, and so is the picture: run \`make deps\`, or install gnuplot-nox" >&2
    exit 1
fi
(cd "$results" && gnuplot "$sources/c-tests/bench/bench.gp")
echo "Picture: $results/bench.svg"
