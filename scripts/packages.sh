#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the Debian packages from what is committed, without a network once the crates are in the source, looks at them with lintian,
# and builds and runs examples/restore.c against them, shared and static: packages.sh [DIRECTORY]
# What is built goes to DIRECTORY (build/packages).
set -eu
cd "$(dirname "$0")/.."
into=$(realpath -m "${1-build/packages}")

for tool in dpkg-buildpackage dh lintian unshare; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing: install the packages debhelper, dpkg-dev, lintian and util-linux" >&2
        exit 1
    }
done

rm -rf "$into"
mkdir -p "$into/source"
git archive HEAD | tar -x -C "$into/source"
cd "$into/source"
debian/rules vendor
tar -c --exclude=debian -J -f "../uffd-incoming_$(dpkg-parsechangelog -SVersion | sed 's/-[^-]*$//').orig.tar.xz" .
# Rust may be rustup's, which finds itself by these, and not Debian's: -d.
export RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
unshare --net dpkg-buildpackage -us -uc -b -d
cd ..

lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs,bogus-mail-host ./*.changes

stage=$into/stage
for package in ./*.deb; do
    dpkg-deb -x "$package" "$stage"
done
libdir=$(dirname "$(find "$stage" -name libuffd_incoming.a)")
export PKG_CONFIG_LIBDIR="$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
zstd --decompress --quiet --force source/c-tests/data/pc-firmware-16m.mapped-ram.zst -o vm.mapped-ram
# shellcheck disable=SC2046 # words of a command line
cc -std=c11 -Wall -Wextra -Werror source/examples/restore.c $(pkg-config --cflags --libs uffd-incoming) -o restore
LD_LIBRARY_PATH=$libdir ./restore vm.mapped-ram
# shellcheck disable=SC2046
cc -static source/examples/restore.c $(pkg-config --cflags --libs --static uffd-incoming) -o restore-static
./restore-static vm.mapped-ram
ls -l ./*.deb
