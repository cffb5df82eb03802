#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Downloads a kernel of Debian's: fetch.sh SUITE ARCHITECTURE FLAVOUR DIRECTORY
# DIRECTORY/vmlinuz is the kernel, DIRECTORY/modules are its modules.
set -eu
suite=$1 architecture=$2 flavour=$3 directory=$4

[ ! -e "$directory/vmlinuz" ] || exit 0
rm -rf "$directory"
"$(dirname "$0")/apt.sh" "$suite" "$architecture" "$directory/root" "linux-image-$flavour"
cd "$directory"
# Both lie elsewhere from Linux 7 on.
modules=$(find root -path '*/lib/modules/*' -prune -type d)
mv "$modules" modules
mv "$(find root/boot modules -maxdepth 1 -name 'vmlinuz*' 2>/dev/null | head -n 1)" vmlinuz
rm -rf root
