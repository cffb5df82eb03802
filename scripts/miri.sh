#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs under Miri what makes no system call: bitmaps, tables, unit states, the pieces of a working set, runs of zeros, the
# account of waits. Needs a nightly Rust with the component miri; says so where that is missing.
set -eu
cd "$(dirname "$0")/.."

if ! cargo +nightly miri --version >/dev/null 2>&1; then
    echo "miri: skipped: run \`rustup toolchain install nightly --component miri,rust-src\`" >&2
    exit 0
fi

# Miri is a thousand times slower than the machine: few cases of each property. Properties look for their files of regressions,
# which Miri keeps from them.
export PROPTEST_CASES="${CASES-2}" MIRIFLAGS="${MIRIFLAGS--Zmiri-disable-isolation}"
exec cargo +nightly miri test --locked --lib --target-dir "${CARGO_TARGET_DIR:-target}/miri" -- \
    memory:: loading::units loading::pieces loading::unit_map loading::notes loading::read_around loading::backoff \
    loading::zero_pages source::data_pages engine::waits engine::blocktime engine::spin engine::concurrency stats error \
    --skip temp_pages --skip there_is_a_most
