#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Boots the kernel and the initramfs in a directory, and writes what the guest's console shows to the file "log" there: boot.sh DIRECTORY
set -eu
cd "$1"
echo "$(basename "$PWD"): running"
rm -f disk
truncate -s 4G disk
mkfs.ext4 -q -F disk

case ${PWD##*/} in
*arm64*) machine="qemu-system-aarch64 -machine virt" console=ttyAMA0 ;;
*) machine="qemu-system-x86_64 -machine q35" console=ttyS0 ;;
esac
# shellcheck disable=SC2086 # words of a command line
timeout 7200 $machine -accel tcg -cpu max -smp 2 -m 3G -nodefaults -nographic -no-reboot -serial stdio \
    -kernel vmlinuz -initrd initramfs -append "console=$console quiet panic=-1" \
    -drive file=disk,format=raw,if=virtio,cache=unsafe </dev/null >log 2>&1 || true
rm -f disk
