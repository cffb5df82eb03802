#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Applies contrib/qemu to a QEMU 10.0 source tree, builds it, and runs its own migration tests: qemu-check.sh BUILD_DIR
# Environment: QEMU_SRC, QEMU_BUILD (made if missing), QEMU_PLAIN (optional: the build directory of an unmodified QEMU, to run
# the same tests on), QEMU_STATIC (optional: set to link QEMU with the archive), ROUNDS (default 1), QEMU_GUEST (optional: a
# directory of contrib/qemu/check/make-guest; then real guests are restored lazily, too, while this and that is done to them).
set -euo pipefail
build=$(realpath "$1")
: "${QEMU_SRC:?set QEMU_SRC to a QEMU 10.0 source tree}" "${QEMU_BUILD:?set QEMU_BUILD to its build directory}"
src=$(realpath "$QEMU_SRC")
here=$(dirname "$(realpath "$0")")/..

# A staged install, whose pkg-config file says where it is staged.
stage=$build/qemu-stage
rm -rf "$stage"
DESTDIR=$stage meson install -C "$build" --no-rebuild --quiet
pc=$(find "$stage" -name uffd-incoming.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
sed -i "s|^prefix=.*|prefix=$stage$prefix|" "$pc"
export PKG_CONFIG_PATH=${pc%/*} LD_LIBRARY_PATH=${pc%/pkgconfig/*}

"$here/contrib/qemu/apply" ${QEMU_STATIC:+--static} "$src"
mkdir -p "$QEMU_BUILD"
if ! [ -f "$QEMU_BUILD/build.ninja" ]; then
    (cd "$QEMU_BUILD" && "$src/configure" --target-list=x86_64-softmmu --without-default-features --enable-tcg --enable-system \
        --enable-vhost-user --enable-tools --disable-docs --disable-werror --disable-install-blobs)
else
    # It keeps the path that it was configured with.
    "$QEMU_BUILD/pyvenv/bin/meson" configure -Dpkg_config_path="$PKG_CONFIG_PATH" "$QEMU_BUILD" >/dev/null
fi
back_end=contrib/vhost-user-blk/vhost-user-blk
# A tree that was configured otherwise may be without vhost-user.
grep -q "^build $back_end:" "$QEMU_BUILD/build.ninja" || back_end=
ninja -C "$QEMU_BUILD" qemu-system-x86_64 tests/qtest/migration-test $back_end

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
echo "postcopy_ram_incoming_setup in the binary, and where it is bound to:"
nm -D "$QEMU_BUILD/qemu-system-x86_64" | grep postcopy_ram_incoming_setup || nm "$QEMU_BUILD/qemu-system-x86_64" | grep uffd_setup_incoming
LD_DEBUG=bindings "$QEMU_BUILD/qemu-system-x86_64" --version 2>&1 | sed -n 's/.*binding file .* to \(.*libuffd_incoming[^ ]*\) .*/\1/p' | sort -u

suites="postcopy postcopy/recovery postcopy/recovery/double-failures postcopy/preempt postcopy/preempt/recovery
        precopy/file/mapped-ram
        multifd/file/mapped-ram multifd/file/mapped-ram/fdset"

late=$build/late-preempt.so
cc -shared -fPIC -O1 -o "$late" "$here/contrib/qemu/check/late-preempt.c" -ldl

# Prints passed/run of a suite on a build, and what a failure says on stderr. With MS, the thread for urgent pages is late by that.
run_suite() { # BUILD SUITE [MS]
    local log failed='' preload=()
    [ -z "${3-}" ] || preload=(env "LD_PRELOAD=$late" "LATE_MS=$3")
    log=$(cd "$1" && QTEST_QEMU_BINARY=./qemu-system-x86_64 timeout 900 "${preload[@]}" ./tests/qtest/migration-test --full \
        -p "/x86_64/migration/$2" 2>&1) || failed=1
    [ -z "$failed" ] || tail -n 20 <<<"$log" >&2
    printf '%s/%s' "$(grep -c '^ok ' <<<"$log" || true)" "$(grep -cE '^(not )?ok ' <<<"$log" || true)"
}

status=0
printf '\n| suite | %son uffd-incoming |\n|---|%s---|\n' "${QEMU_PLAIN:+plain | }" "${QEMU_PLAIN:+---|}"
row() { # SUITE [MS]
    local plain='' ours='' result
    # Plain QEMU names its threads only when asked to: none of them is late.
    [ -z "${QEMU_PLAIN-}" ] || plain="$([ -n "${2-}" ] && echo - || run_suite "$QEMU_PLAIN" "$1") | "
    for _ in $(seq "${ROUNDS:-1}"); do
        result=$(run_suite "$QEMU_BUILD" "$1" "${2-}")
        ours="$ours$result "
        [ "${result%/*}" = "${result#*/}" ] && [ "${result#*/}" != 0 ] || status=1
    done
    printf '| %s | %s%s|\n' "$1${2:+, preempt thread late by $2 ms}" "$plain" "$ours"
}
for suite in $suites; do
    row "$suite"
done
for ms in 300 1000; do
    row postcopy/preempt "$ms"
    row postcopy/preempt/recovery "$ms"
done

if [ -n "${QEMU_GUEST-}" ]; then
    echo
    "$here/contrib/qemu/check/while-loading" "$QEMU_BUILD/qemu-system-x86_64" "$QEMU_GUEST" || status=1
    if [ -n "$back_end" ]; then
        echo
        "$here/contrib/qemu/check/vhost-user" "$QEMU_BUILD/qemu-system-x86_64" "$QEMU_GUEST" "$QEMU_BUILD/$back_end" || status=1
    fi
fi
exit "$status"
