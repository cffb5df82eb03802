#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the Meson tests of a build directory, or those named, and sums them up: meson-test.sh BUILD_DIR [TESTS...]
# Run by root, a skipped test is a failure: root can have all that a test may miss.
set -eu
build=$1
shift
log=$build/meson-logs/testlog.json

rm -f "$log"
status=0
meson test -C "$build" --print-errorlogs "$@" || status=$?
[ -f "$log" ] || exit "$status"

count() { # RESULT-PATTERN
    grep -cE "\"result\": \"($1)\"" "$log" || true
}
skipped=$(count SKIP)
if [ "$(id -u)" -eq 0 ] && [ "$skipped" -ne 0 ]; then
    echo "Skipped, though run by root:"
    sed -n '/"result": "SKIP"/s/.*"name": "\([^"]*\)".*/  \1/p' "$log"
    status=1
fi
echo "meson: $(count 'OK|EXPECTEDFAIL') passed, $(count 'FAIL|TIMEOUT|ERROR|INTERRUPT|UNEXPECTEDPASS') failed," \
    "$skipped skipped"
exit "$status"
