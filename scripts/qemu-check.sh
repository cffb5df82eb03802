#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Applies contrib/qemu to a QEMU source tree, builds it, and runs its own migration tests, until one fails: qemu-check.sh BUILD_DIR
# Environment: QEMU_SRC, QEMU_BUILD (made if missing); VERSION (optional: the tree has to be that QEMU), QEMU_PLAIN (optional: the
# build directory of an unmodified QEMU, to run the same tests on), QEMU_STATIC (optional: set to link QEMU with the archive),
# ROUNDS (default 1), QEMU_GUEST (optional: a directory of contrib/qemu/check/make-guest; then real guests are restored lazily, too,
# while this and that is done to them). What each test printed is in BUILD_DIR/qemu-logs.
set -euo pipefail
build=$(realpath "$1")
: "${QEMU_SRC:?set QEMU_SRC to a QEMU source tree, see contrib/qemu}" "${QEMU_BUILD:?set QEMU_BUILD to its build directory}"
src=$(realpath "$QEMU_SRC")
here=$(dirname "$(realpath "$0")")/..
version=$(cat "$src/VERSION")
if [ "${VERSION:-$version}" != "$version" ]; then
    echo "$src is QEMU $version, not $VERSION" >&2
    exit 1
fi
logs=$build/qemu-logs
rm -rf "$logs"
mkdir -p "$logs"

# A staged install, whose pkg-config file says where it is staged.
stage=$build/qemu-stage
rm -rf "$stage"
DESTDIR=$stage meson install -C "$build" --no-rebuild --quiet
pc=$(find "$stage" -name uffd-incoming.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
sed -i "s|^prefix=.*|prefix=$stage$prefix|" "$pc"
export PKG_CONFIG_PATH=${pc%/*} LD_LIBRARY_PATH=${pc%/pkgconfig/*}

apply=$here/contrib/qemu/apply
# The edits that are there are as this version makes them.
! [ -e "$src/migration/.uffd-incoming" ] || "$apply" --undo "$src"
"$here/contrib/qemu/check/edits" "$src"
"$apply" ${QEMU_STATIC:+--static} "$src"

mkdir -p "$QEMU_BUILD"
if ! [ -f "$QEMU_BUILD/build.ninja" ]; then
    (cd "$QEMU_BUILD" && "$src/configure" --target-list=x86_64-softmmu --without-default-features --enable-tcg --enable-kvm --enable-system \
        --enable-vhost-user --enable-tools --disable-docs --disable-werror --disable-install-blobs --disable-debug-info)
else
    # It keeps the path that it was configured with.
    "$QEMU_BUILD/pyvenv/bin/meson" configure -Dpkg_config_path="$PKG_CONFIG_PATH" "$QEMU_BUILD" >/dev/null
fi >"$logs/configure"
back_end=contrib/vhost-user-blk/vhost-user-blk
# A tree that was configured otherwise may be without vhost-user.
grep -q "^build $back_end:" "$QEMU_BUILD/build.ninja" || back_end=
ninja -C "$QEMU_BUILD" qemu-system-x86_64 tests/qtest/migration-test $back_end >"$logs/build" || {
    tail -n 40 "$logs/build" >&2
    exit 1
}

# A source tree without firmware, as distributions have it, runs on the installed one.
firmware=$QEMU_BUILD/qemu-bundle/usr/local/share/qemu
if ! [ -e "$src/pc-bios/bios-256k.bin" ]; then
    mkdir -p "$firmware"
    cp -n /usr/share/seabios/*.bin /usr/share/qemu/*.bin /usr/lib/ipxe/qemu/*.rom "$firmware/" 2>/dev/null || true
    [ -e "$firmware/bios-256k.bin" ] || {
        echo "No firmware in $src/pc-bios, nor installed: install seabios, qemu-system-data and ipxe-qemu." >&2
        exit 1
    }
fi

echo
echo "QEMU $version: postcopy_ram_incoming_setup in the binary, and where it is bound to:"
nm -D "$QEMU_BUILD/qemu-system-x86_64" | grep postcopy_ram_incoming_setup || nm "$QEMU_BUILD/qemu-system-x86_64" | grep uffd_setup_incoming
LD_DEBUG=bindings "$QEMU_BUILD/qemu-system-x86_64" --version 2>&1 | sed -n 's/.*binding file .* to \(.*libuffd_incoming[^ ]*\) .*/\1/p' | sort -u

late=$build/late-preempt.so
cc -shared -fPIC -O1 -o "$late" "$here/contrib/qemu/check/late-preempt.c" -ldl

# Prints passed/run of a test on a build. With MS, the thread for urgent pages is late by that.
run_test() { # BUILD TEST LOG [MS]
    local preload=()
    [ -z "${4-}" ] || preload=(env "LD_PRELOAD=$late" "LATE_MS=$4")
    (cd "$1" && QTEST_QEMU_BINARY=./qemu-system-x86_64 timeout 300 "${preload[@]}" ./tests/qtest/migration-test --full \
        -p "/x86_64/migration/$2") >"$logs/$3" 2>&1 || true
    printf '%s/%s' "$(grep -c '^ok ' "$logs/$3" || true)" "$(grep -cE '^(not )?ok ' "$logs/$3" || true)"
}

failed() { # LOG
    tail -n 30 "$logs/$1" >&2
    echo "qemu-check: FAILED, see $logs/$1" >&2
    exit 1
}

all_passed() { # PASSED/RUN
    [ "${1%/*}" = "${1#*/}" ] && [ "$1" != 0/0 ]
}

printf '\n| test | %son uffd-incoming |\n|---|%s---|\n' "${QEMU_PLAIN:+plain | }" "${QEMU_PLAIN:+---|}"
row() { # TEST [MS]
    local name=$1${2:+, preempt thread late by $2 ms} log=${1//\//_}${2:+-late-$2} plain='' ours='' result=''
    if [ -n "${QEMU_PLAIN-}" ]; then
        plain='- | '
        # Both at once: a test sleeps for most of its time. Plain QEMU names its threads only when asked to: none of them is late.
        [ -n "${2-}" ] || run_test "$QEMU_PLAIN" "$1" "plain-$log" >"$logs/plain-result" &
    fi
    for round in $(seq "${ROUNDS:-1}"); do
        result=$(run_test "$QEMU_BUILD" "$1" "$log-$round" "${2-}")
        ours="$ours$result "
        all_passed "$result" || break
    done
    wait
    [ -z "$plain" ] || [ -n "${2-}" ] || plain="$(cat "$logs/plain-result") | "
    printf '| %s | %s%s|\n' "$name" "$plain" "$ours"
    all_passed "$result" || failed "$log-$round"
}
tests=$(cd "$QEMU_BUILD" && QTEST_QEMU_BINARY=./qemu-system-x86_64 ./tests/qtest/migration-test --full -l 2>/dev/null |
    sed -n 's|^/x86_64/migration/||p' | grep -E '^(multifd\+)?postcopy/|/mapped-ram')
before=
for test in $tests; do
    # A test whose name another one begins with has run it, too.
    case $test in "$before"/*) continue ;; esac
    before=$test
    row "$test"
done
for test in $(grep -E '^postcopy/preempt/(recovery/)?plain$' <<<"$tests"); do
    row "$test" 300
    row "$test" 1000
done

# The counters of the library, as the glue reports them: it did the work.
grep -ho 'info: uffd-incoming .*' "$logs"/postcopy_plain-1 | tail -n 1 >"$logs/counters"
grep -q ' [1-9][0-9]* faults, [1-9][0-9]* pages requested, [1-9][0-9]* placed' "$logs/counters" || failed postcopy_plain-1
printf '\npostcopy/plain: %s\n' "$(sed 's/^info: //' "$logs/counters")"

if [ -n "${QEMU_GUEST-}" ]; then
    echo
    "$here/scripts/with-huge-pages.sh" 128 "$here/contrib/qemu/check/while-loading" "$QEMU_BUILD/qemu-system-x86_64" "$QEMU_GUEST"
    if [ -n "$back_end" ]; then
        echo
        "$here/contrib/qemu/check/vhost-user" "$QEMU_BUILD/qemu-system-x86_64" "$QEMU_GUEST" "$QEMU_BUILD/$back_end"
    fi
fi
