#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Tries packages that have been built: try.sh DIRECTORY unpacked|installed
# Looks at them with lintian, and builds and runs examples/restore.c with them, and the command: unpacked beside them, or installed.
set -eu
cd "$1"
how=$2

lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs,bogus-mail-host ./*.changes

if [ "$how" = installed ]; then
    dpkg --install ./*.deb
    stage=
else
    stage=$PWD/stage
    for package in ./*.deb; do
        dpkg-deb -x "$package" "$stage"
    done
    libdir=$(dirname "$(find "$stage" -name libuffd_incoming.a)")
    export PKG_CONFIG_LIBDIR="$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage" LD_LIBRARY_PATH="$libdir"
    export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
fi

# shellcheck disable=SC2046 # words of a command line
cc -std=c11 -Wall -Wextra -Werror source/examples/restore.c $(pkg-config --cflags --libs uffd-incoming) -o restore
./restore vm.mapped-ram
# shellcheck disable=SC2046
cc -static source/examples/restore.c $(pkg-config --cflags --libs --static uffd-incoming) -o restore-static
./restore-static vm.mapped-ram
"$stage/usr/bin/uffd-incoming" verify vm.mapped-ram
ls -l ./*.deb
