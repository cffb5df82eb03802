#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes a shared and a static library of the archive that cargo builds. Both show the functions of EXPORTS and nothing else of
# themselves, so that they get along with other Rust libraries in one program:
# own-libraries.sh CARGOS.a EXPORTS LIB.so.N LIB.a CC...
# Cargo's archive defines the symbols of Rust's runtime, too, and two of those in one program clash. A shared library of cargo's has
# no versions of symbols. Debug information is kept, in the shared one, if cargo was asked for it by CARGO_PROFILE_RELEASE_DEBUG:
# else there is only that of Rust's standard library.
#   LINK_ARGS   for the shared library
set -eu
cargos=$1 exports=$2 shared=$3 archive=$4
ar=${AR:-ar} objcopy=${OBJCOPY:-objcopy}
shift 4

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
object=$scratch/uffd_incoming.o

sed -n 's/^ *\([a-z0-9_]*\);$/\1/p' "$exports" >"$scratch/functions"
# One object of all that the functions need. Its groups are dissolved: a group of the same name elsewhere would stand in
# for ours.
# shellcheck disable=SC2046 # one word a function
"$@" -r -nostdlib -Wl,--gc-sections,--force-group-allocation $(sed 's/^/-Wl,-u,/' "$scratch/functions") "$cargos" -o "$object"
"$objcopy" --keep-global-symbols="$scratch/functions" --remove-section=.llvmbc --remove-section=.llvmcmd "$object"
[ -n "${CARGO_PROFILE_RELEASE_DEBUG-}" ] || "$objcopy" --strip-debug "$object"

# shellcheck disable=SC2046 # one word a library
"$@" -shared -o "$shared" "$object" -Wl,--version-script="$exports" -Wl,-soname,"$(basename "$shared")" \
    -Wl,--no-undefined,--as-needed,-O1,-z,relro,-z,now,-z,noexecstack \
    ${LINK_ARGS-} $("$(dirname "$0")/native-static-libs.sh" rustc "${RUST_TARGET-}")

# What was not needed left names behind that other libraries may know as weak ones.
"$objcopy" --strip-unneeded "$object"
# A QEMU may have its own function of this name.
"$objcopy" --weaken-symbol=postcopy_ram_incoming_setup "$object"
rm -f "$archive"
"$ar" crs "$archive" "$object"
