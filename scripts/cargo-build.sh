#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the library with cargo and hands it to Meson, which calls this:
# cargo-build.sh CARGO SOURCE_DIR TARGET_DIR SANITIZER DEPFILE LIB.so LIB.so.0 LIB.a CC...
#   RUST_TARGET   for which machine, as Rust names it; empty: this one
#   AR, OBJCOPY   the tools for that machine
set -eu
cargo=$1 source_dir=$2 target_dir=$3 sanitizer=$4 depfile=$5 link=$6 shared=$7 archive=$8
shift 8

# shellcheck source=scripts/cargo-target.sh
. "$source_dir/scripts/cargo-target.sh"
types=cdylib,staticlib
options=
# Under a sanitizer the profile `dev`, which checks overflows, and what the standard library asserts of unsafe code. The standard
# library's own machine code is as it comes.
case $sanitizer in
none)
    types=staticlib
    built=$release_dir
    options=$release_options
    ;;
address)
    built=$target_dir/debug
    export RUSTC_WORKSPACE_WRAPPER="$source_dir/scripts/rustc-address.sh"
    ;;
thread) # in a nightly Rust, and in all crates: with a target named, the flags are not for build scripts
    host=$(rustc -vV | sed -n 's/^host: //p')
    built=$target_dir/$host/debug
    options="--target $host"
    export RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer -Cforce-frame-pointers=yes -Copt-level=1"
    ;;
esac

# From within the source directory, where a vendored or offline set-up has its .cargo/config.toml.
# --frozen: a build never reaches for the network.
(
    cd "$source_dir" || exit
    # shellcheck disable=SC2086 # words, if any
    "$cargo" rustc --lib --crate-type "$types" --frozen --target-dir "$target_dir" $options -- \
        "-Clink-arg=-Wl,-soname,$(basename "$shared")"
) || build_failed "$source_dir"

if [ "$sanitizer" = none ]; then
    "$source_dir/scripts/own-libraries.sh" "$built/libuffd_incoming.a" "$source_dir/src/abi/exports.map" "$shared" "$archive" "$@"
else # with all symbols, for reports
    cp "$built/libuffd_incoming.so" "$shared"
    cp "$built/libuffd_incoming.a" "$archive"
fi
ln -sf "$(basename "$shared")" "$link"

# Cargo tells what each of its outputs was made of; for Ninja that is what ours were made of.
sed -n "s|^.*/libuffd_incoming\.[a-z]*: |$link: |p" "$built/libuffd_incoming.d" >"$depfile"
