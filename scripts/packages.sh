#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the Debian packages from what is committed, without a network once the crates are in the source, looks at them with lintian,
# and builds and runs examples/restore.c against them, shared and static: packages.sh [DIRECTORY]
# What is built goes to DIRECTORY (build/packages).
#   SUITE=name   in a new system of that release of Debian, with its own Rust and what debian/control asks for, where the packages are
#                installed, too: trixie or newer. It takes 2 GB, and root
set -eu
cd "$(dirname "$0")/.."
into=$(realpath -m "${1-build/packages}")

require() {
    for tool; do
        command -v "$tool" >/dev/null || {
            echo "$tool is missing: install the packages debhelper, dpkg-dev, lintian, util-linux and, for SUITE, mmdebstrap" >&2
            exit 1
        }
    done
}
require dpkg-buildpackage dh lintian unshare zstd

# What is not an earlier run's is not ours to remove.
if [ -n "$(ls -A "$into" 2>/dev/null)" ] && ! [ -e "$into/.packages" ]; then
    echo "$into is not empty: name a new directory, or one of an earlier run" >&2
    exit 1
fi
rm -rf "$into"
mkdir -p "$into/source"
touch "$into/.packages"
git archive HEAD | tar -x -C "$into/source"
(
    cd "$into/source"
    debian/rules vendor
    tar -c --exclude=debian -J -f "../uffd-incoming_$(dpkg-parsechangelog -SVersion | sed 's/-[^-]*$//').orig.tar.xz" .
)
zstd --decompress --quiet "$into/source/c-tests/data/pc-firmware-16m.mapped-ram.zst" -o "$into/vm.mapped-ram"

if [ -z "${SUITE-}" ]; then
    # Rust may be rustup's, which finds itself by these, and not Debian's: -d.
    export RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
    (cd "$into/source" && unshare --net dpkg-buildpackage -us -uc -b -d)
    scripts/packages/try.sh "$into" unpacked
    exit
fi

require mmdebstrap
system=$into/system
needed=$(sed -n '/^Build-Depends:/,/^[^ ]/{s/^ \([a-z0-9+.-]*\).*/\1/p}' debian/control | tr '\n' ,)
mmdebstrap --quiet --variant=buildd --include="${needed}lintian" "$SUITE" "$system"
mkdir "$system/packages"
mv "$into/source" "$into"/*.orig.tar.xz "$into/vm.mapped-ram" "$system/packages/"
cp scripts/packages/try.sh "$system/packages/"
# With processes of its own, all of which end with it.
unshare --net --mount --pid --fork chroot "$system" sh -eu -c '
    mount -t proc proc /proc
    mount -t tmpfs tmpfs /dev/shm
    cd /packages/source
    dpkg-buildpackage -us -uc -b
    ../try.sh /packages installed
'
