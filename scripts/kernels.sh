#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the C tests on other kernels, in guests of QEMU: kernels.sh BUILD_DIR [KERNEL...]
# A kernel is SUITE/FLAVOUR: a release of Debian's, and its package linux-image-FLAVOUR, as in trixie/arm64-16k. The tests of x86-64 come from
# BUILD_DIR, those of aarch64 from a cross build below it. Prints a table, kernel by suite, which goes to BUILD_DIR/kernels/table.md,
# too; 1 if a test failed. A kernel is downloaded once: remove its directory there to get a newer one.
#   SUITES=...   which suites of the tests (setup serve snapshot clients storage)
#   MIRROR=...   of Debian's packages (http://deb.debian.org/debian)
#   JOBS=n       how many guests at once (1); each has two CPUs and 3 GiB
# Guests run without hardware virtualization. The suite kvm, which would need that in a guest, does not run.
set -eu
export LC_ALL=C
build=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
here=$PWD/scripts/kernels
work=$build/kernels
suites=${SUITES:-setup serve snapshot clients storage}
[ $# -gt 0 ] || set -- bullseye/amd64 bookworm/amd64 trixie/amd64 trixie-backports/amd64 trixie/arm64

mkdir -p "$work"
for kernel in "$@"; do
    flavour=${kernel#*/}
    case $flavour in
    *arm64*)
        architecture=arm64 tests=$work/build-arm64
        export CC=aarch64-linux-gnu-gcc STRIP=aarch64-linux-gnu-strip
        if [ ! -e "$tests/build.ninja" ]; then
            env -u CC meson setup "$tests" --cross-file scripts/cross/aarch64-linux-gnu.ini -Dcommand=false >"$work/setup-arm64.log"
        fi
        ninja -C "$tests" >"$work/build-arm64.log" || { tail -n 30 "$work/build-arm64.log" && exit 1; }
        ;;
    *) architecture=amd64 tests=$build CC=cc STRIP=strip ;;
    esac
    directory=$work/$(echo "$kernel" | tr / -)
    "$here/fetch.sh" "${kernel%/*}" "$architecture" "$flavour" "$directory"
    busybox=$work/busybox-$architecture
    [ -e "$busybox" ] || "$here/busybox.sh" "$architecture" "$busybox"
    # shellcheck disable=SC2086 # one word a suite
    "$here/pack.py" "$tests" "$directory" "$busybox" "$directory/initramfs" $suites
done
printf '%s\n' "$@" | tr / - | xargs -P "${JOBS:-1}" -I NAME "$here/boot.sh" "$work/NAME"
status=0
cd "$work"
# shellcheck disable=SC2046 # one word a kernel
"$here/table.py" $(printf '%s/log\n' "$@" | sed 's|/|-|') >table.md || status=1
cat table.md
exit "$status"
