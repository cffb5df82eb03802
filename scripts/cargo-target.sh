# SPDX-License-Identifier: MIT OR Apache-2.0
# Sourced by the scripts that call cargo for Meson, with the C compiler as an argument, and $target_dir: sets $release_dir and
# $release_options for a release build for RUST_TARGET, and tells crates' build scripts, and cargo, what to build it with.

unset CARGO_BUILD_TARGET # what is built would land elsewhere
release_dir=$target_dir/release
release_options=--release
if [ -n "${RUST_TARGET-}" ]; then
    release_dir=$target_dir/$RUST_TARGET/release
    release_options="--release --target $RUST_TARGET"
    target_name=$(echo "$RUST_TARGET" | tr - _)
    # Names have no spaces: options of the compiler are for C.
    export "CC_$target_name=$1" "CARGO_TARGET_$(echo "$target_name" | tr '[:lower:]' '[:upper:]')_LINKER=$1"
    case $RUST_TARGET in
    *-musl)
        # Debian's musl-gcc leaves out the headers of Linux, which those of no C library replace.
        export "CFLAGS_$target_name=-idirafter /usr/include/$(cc -print-multiarch) -idirafter /usr/include"
        ;;
    esac
fi

build_failed() { # SOURCE_DIR
    echo "If crates are missing, run \`cargo fetch --locked\` in $1: this build never uses the network." >&2
    [ -z "${RUST_TARGET-}" ] || echo "If Rust's own library is missing, run \`rustup target add $RUST_TARGET\`." >&2
    exit 1
}
