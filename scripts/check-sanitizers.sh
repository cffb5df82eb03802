#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the C tests and the demo under sanitizers: check-sanitizers.sh [quick]
# Of the C code and the library both, in build-asan: AddressSanitizer with leaks, UndefinedBehaviorSanitizer (C), debug
# assertions (Rust); in build-tsan: ThreadSanitizer. With `quick` a choice of tests in the former only.
# The library's part takes a nightly Rust. Where there is none, the C code is checked alone, and that is said.
set -eu
cd "$(dirname "$0")/.."
what=${1-all}

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0
export TSAN_OPTIONS=suppressions=$PWD/c-tests/tsan-suppressions.txt:second_deadlock_stack=1
quick='setup-static-thread-callbacks setup-static-failing-steps setup-static-ram-block-validation
       serve-static-fault-threads serve-static-preempt-cleanup serve-static-remove-block-while-armed
       snapshot-static-load-anon snapshot-static-open-errors snapshot-static-flat-errors
       snapshot-static-truncated-resume snapshot-static-working-set-useless snapshot-static-working-set-replay
       clients-static-client-killed clients-static-remove-from-callbacks'

if RUSTUP_TOOLCHAIN=nightly rustc --version 2>/dev/null | grep -q nightly; then
    export RUSTUP_TOOLCHAIN=nightly
    library=address
    echo "Checked: the C code and the library, but not the machine code of Rust's standard library."
else
    library=none
    echo "NOT CHECKED: the library itself, for want of a nightly Rust (rustup toolchain install nightly); only the C code."
fi

build() { # DIRECTORY OPTIONS...
    directory=$1
    shift
    if [ -f "$directory/build.ninja" ]; then
        meson configure "$directory" "$@"
    else
        meson setup "$directory" "$@" >/dev/null
    fi
}

run() { # DIRECTORY TESTS...
    directory=$1
    shift
    scripts/with-huge-pages.sh 64 scripts/meson-test.sh "$directory" "$@"
}

build build-asan -Db_sanitize=address,undefined -Dlibrary_sanitizer="$library"
if [ "$what" = quick ]; then
    # shellcheck disable=SC2086 # one word a test
    run build-asan $quick
    exit
fi

status=0
suites='--suite static --suite two-threads --suite four-threads --suite replay --suite direct-io
        --suite track-discards --suite without-huge-pages --suite demo'
# shellcheck disable=SC2086 # one word an option
run build-asan $suites || status=1
if [ "$library" = none ]; then
    echo "NOT CHECKED: data races, which takes the library's locks to be seen: ThreadSanitizer needs a nightly Rust."
    exit "$status"
fi
build build-tsan -Dlibrary_sanitizer=thread
# shellcheck disable=SC2086
run build-tsan $suites --no-suite stress || status=1
# It locks whole ranges page by page: more mutexes at once than the detector of lock orders has room for.
TSAN_OPTIONS=$TSAN_OPTIONS:detect_deadlocks=0
run build-tsan stress-static || status=1
exit "$status"
