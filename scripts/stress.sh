#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Uses the library in every way at once, with random choices, and compares every byte with a model: stress.sh [BUILD_DIR]
#   MINUTES=n   how long (10); ends sooner at the first finding, which tells its seed
#   SEED=n      only the round with this seed: the same choices, if not the same timing
#   ROUNDS=n    how often that one (1)
set -eu
build=${1:-build}
here=$(dirname "$0")

if [ -n "${SEED:-}" ]; then
    set -- 0
    i=0
    while [ "$i" -lt "${ROUNDS:-1}" ]; do
        set -- "$@" "$SEED"
        i=$((i + 1))
    done
else
    set -- $((${MINUTES:-10} * 60))
fi
exec "$here/with-huge-pages.sh" 64 "$build/c-tests/stress/stress-shared" "$@"
