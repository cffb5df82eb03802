#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A superproject gets the library, shared and static, from dependency('uffd-incoming'):
# subproject.sh SOURCE_DIR BUILD_DIR
set -eu
source=$1 build=$2

# A crate's build script runs again where CC is another one than in the build under test.
unset CC CXX

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

cat >meson.build <<'END'
project('superproject', 'c')

shared = executable('shared', 'consumer.c', dependencies: dependency('uffd-incoming'))
static = executable('static', 'consumer.c', dependencies: dependency('uffd-incoming', static: true))

test('shared', shared)
test('static', static)
END
cp "$source/c-tests/package/consumer.c" .
mkdir subprojects
ln -s "$source" subprojects/uffd-incoming

# As docs/building.md shows it: by this, dependency() alone finds the subproject.
sed -n '/^  \[wrap-file\]/,/^  ```/s/^  //p' "$source/docs/building.md" | sed '/^```/d' >subprojects/uffd-incoming.wrap
grep -q '^dependency_names = uffd-incoming$' subprojects/uffd-incoming.wrap || {
    echo "expected a wrap file in docs/building.md"
    exit 1
}

PKG_CONFIG_LIBDIR=/nowhere "$MESON" setup build
# The Rust code is the same as that of the build under test: no need to wait for it to be compiled again.
cp -a "$build/cargo-target" build/subprojects/uffd-incoming/
"$MESON" test -C build --print-errorlogs

ldd build/shared | grep -q libuffd_incoming || {
    echo "expected dependency('uffd-incoming') to be the shared library"
    exit 1
}
! ldd build/static | grep libuffd_incoming || {
    echo "expected dependency('uffd-incoming', static: true) to be the static library"
    exit 1
}

"$source/c-tests/package/rebuild.sh" build subprojects/uffd-incoming/libuffd_incoming.so
