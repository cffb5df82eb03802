# SPDX-License-Identifier: MIT OR Apache-2.0
# Sourced by the scripts that call cargo for Meson, with the C compiler as an argument: tells crates' build scripts, and cargo, how to
# build for RUST_TARGET.

target_name=$(echo "$RUST_TARGET" | tr - _)
# Names have no spaces: options of the compiler are for C.
export "CC_$target_name=$1" "CARGO_TARGET_$(echo "$target_name" | tr '[:lower:]' '[:upper:]')_LINKER=$1"
case $RUST_TARGET in
*-musl)
    # Debian's musl-gcc leaves out the headers of Linux, which those of no C library replace.
    export "CFLAGS_$target_name=-idirafter /usr/include/$(cc -print-multiarch) -idirafter /usr/include"
    ;;
esac
