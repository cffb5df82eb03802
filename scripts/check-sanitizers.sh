#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the C tests and the demo under sanitizers: check-sanitizers.sh [all|quick|build-quick]
# In build-asan, C code and library: AddressSanitizer with leaks, UndefinedBehaviorSanitizer (C), debug assertions and overflow
# checks (Rust). In build-tsan, with a nightly Rust: ThreadSanitizer. With `quick` a choice of tests in build-asan only;
# `build-quick` builds these tests and runs none.
set -eu
cd "$(dirname "$0")/.."
what=${1-all}

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0
export TSAN_OPTIONS=suppressions=$PWD/c-tests/tsan-suppressions.txt:second_deadlock_stack=1
quick='setup-two-threads-thread-callbacks setup-two-threads-failing-steps setup-static-ram-block-validation
       serve-two-threads-fault-threads serve-two-threads-preempt-cleanup serve-two-threads-remove-block-while-armed
       snapshot-two-threads-load-anon snapshot-static-open-errors snapshot-static-flat-errors
       snapshot-two-threads-truncated-resume snapshot-direct-io-working-set-useless snapshot-two-threads-working-set-replay
       clients-two-threads-client-killed clients-two-threads-remove-from-callbacks'
quick_programs=$(echo "$quick" | sed -E 's/-(two-threads|direct-io)-/-static-/g')

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

build build-asan -Dcommand=false -Db_sanitize=address,undefined -Dlibrary_sanitizer=address
# The crates that it uses are those that cargo has built for the unit tests.
mkdir -p "${CARGO_TARGET_DIR:-target}"
[ -e build-asan/cargo-target ] || ln -s "$(realpath "${CARGO_TARGET_DIR:-target}")" build-asan/cargo-target
echo "Checked: the C code and the library, but not the machine code of Rust's standard library, nor of other crates."
case $what in
build-quick)
    # shellcheck disable=SC2086 # one word a test
    meson compile -C build-asan $quick_programs snapshot-image
    exit
    ;;
quick)
    # shellcheck disable=SC2086
    run build-asan $quick
    exit
    ;;
esac

status=0
suites='--suite static --suite two-threads --suite four-threads --suite replay --suite direct-io
        --suite track-discards --suite without-huge-pages --suite map-private --suite demo'
# shellcheck disable=SC2086 # one word an option
run build-asan $suites || status=1
if ! RUSTUP_TOOLCHAIN=nightly rustc --version 2>/dev/null | grep -q nightly; then
    echo "NOT CHECKED: data races. ThreadSanitizer has to see the locks of the crates, too, which takes a nightly Rust" \
        "(rustup toolchain install nightly)."
    exit "$status"
fi
export RUSTUP_TOOLCHAIN=nightly
build build-tsan -Dcommand=false -Dlibrary_sanitizer=thread
# shellcheck disable=SC2086
run build-tsan $suites --no-suite stress || status=1
# It locks whole ranges page by page: more mutexes at once than the detector of lock orders has room for.
TSAN_OPTIONS=$TSAN_OPTIONS:detect_deadlocks=0
run build-tsan stress-static || status=1
exit "$status"
