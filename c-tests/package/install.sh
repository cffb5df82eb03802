#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A staged install has all that a program needs, and pkg-config alone tells how to link with it, shared and static:
# install.sh BUILD_DIR CONSUMER.C
set -eu
build=$1 source=$2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
stage=$scratch/stage
program=$scratch/program

fail() {
    echo "$@"
    exit 1
}

DESTDIR=$stage "$MESON" install -C "$build" --no-rebuild --quiet

# The man pages are another test's.
find "$stage" ! -type d ! -path '*/man/*' -printf '%f\n' | LC_ALL=C sort >"$scratch/installed"
for page in man3/uffd_setup_incoming.3 man1/uffd-incoming.1 man1/uffd-incoming-info.1; do
    [ -f "$(find "$stage" -path "*/man/$page")" ] || fail "expected the man page $page to be installed"
done
cat >"$scratch/expected" <<END
_uffd-incoming
libuffd_incoming.a
libuffd_incoming.so
libuffd_incoming.so.0
uffd-incoming
uffd-incoming
uffd-incoming.fish
uffd-incoming.h
uffd-incoming.pc
END
diff -u "$scratch/expected" "$scratch/installed" || fail "expected these files (-) to be installed, seen others (+)"

"$(find "$stage" -path '*/bin/uffd-incoming')" probe >/dev/null || fail "expected the installed command to run"

libdir=$(dirname "$(find "$stage" -name libuffd_incoming.a)")
export PKG_CONFIG_LIBDIR="$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage"
# A prefix of /usr is no system directory within the stage.
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1

build_and_run() { # [PKG-CONFIG-OPTION [LINKER-OPTION]]
    # shellcheck disable=SC2086 # no word, or one
    flags="${2-} $(pkg-config --cflags --libs ${1-} uffd-incoming)"
    # shellcheck disable=SC2086 # words of a command line
    $CC -Wall -Wextra -Werror "$source" $flags -o "$program" || fail "expected to link with: $flags"
    "$program" >/dev/null || fail "expected the program linked with these to run: $flags"
    ldd "$program" >"$scratch/needed" 2>&1 || true
}

export LD_LIBRARY_PATH="$libdir"
build_and_run
grep -q "libuffd_incoming.so.0 => $libdir/" "$scratch/needed" ||
    fail "expected the program to need libuffd_incoming.so.0 of $libdir, seen: $(cat "$scratch/needed")"

# The archive stands beside the shared library, which -static passes over.
build_and_run --static -static
grep -q 'not a dynamic executable' "$scratch/needed" || fail "expected a static program, seen: $(cat "$scratch/needed")"

rm "$libdir"/libuffd_incoming.so*
build_and_run --static
! grep libuffd_incoming "$scratch/needed" || fail "expected a program that does not need the shared library"
