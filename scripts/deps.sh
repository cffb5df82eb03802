#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes sure that all is there to build and test, with `bench` to measure, with `kernels` for guests: installs what is missing with
# apt, or says what to install; then fetches the crates, so that nothing later needs the network.
set -eu

if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    echo "Rust is missing: install Rust 1.85 or newer with rustup or from your distribution." >&2
    exit 1
fi

missing=
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || missing="$missing $2"
}
need cc gcc
need c++ g++
need nm binutils
need meson meson
need ninja ninja-build
need pkg-config pkg-config
need zstd zstd
need abidiff abigail-tools
need man man-db
need setpriv util-linux
[ "${1-}" != bench ] || need gnuplot gnuplot-nox
if [ "${1-}" = kernels ]; then
    need qemu-system-x86_64 qemu-system-x86
    need qemu-system-aarch64 qemu-system-arm
    need aarch64-linux-gnu-gcc "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    need cpio cpio
    need mkfs.ext4 e2fsprogs
fi
[ -n "${LIBCLANG_PATH-}" ] || /sbin/ldconfig -p | grep -q 'libclang\(-[0-9]*\)\?\.so' || missing="$missing libclang-dev"

if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Missing, as Debian names the packages:$missing" >&2
        echo "Install them, on Debian or Ubuntu with: sudo apt-get install$missing" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # shellcheck disable=SC2086 # one word a package
    apt-get install -q -y --no-install-recommends $missing
fi

host=$(rustc -vV | sed -n 's/^host: //p')
cargo fetch --locked --target "$host"
if [ "${1-}" = kernels ]; then
    # Rust of a distribution's has what it has.
    ! command -v rustup >/dev/null || rustup target add aarch64-unknown-linux-gnu
    cargo fetch --locked --target aarch64-unknown-linux-gnu
fi
cargo fetch --locked --target "$host" --manifest-path examples/kvm/Cargo.toml
