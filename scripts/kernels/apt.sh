#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Downloads packages of a release of Debian's with an apt of its own, which leaves that of this machine as it is, and unpacks them:
# apt.sh SUITE ARCHITECTURE DIRECTORY PACKAGE
# For a package that only depends on the newest kernel, downloads that kernel and its parts.
set -eu
suite=$1 architecture=$2 directory=$3 package=$4

mkdir -p "$directory/apt/none" "$directory/apt/lists/partial" "$directory/apt/cache/archives/partial"
cd "$directory"
: >apt/status
cat >apt/sources.list <<END
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${MIRROR:-http://deb.debian.org/debian} $suite main
END
cat >apt/apt.conf <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::State "$PWD/apt";
Dir::State::Lists "$PWD/apt/lists";
Dir::State::Status "$PWD/apt/status";
Dir::Cache "$PWD/apt/cache";
Dir::Etc::SourceList "$PWD/apt/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "$PWD/apt/none";
END
export APT_CONFIG="$PWD/apt/apt.conf"
apt-get update -qq

needed_by() { # PACKAGE PATTERN
    apt-cache depends "$1" | sed -n "s/^ *Depends: \($2\)\$/\1/p"
}
packages=$package
case $package in
linux-image-*)
    kernel=$(needed_by "$package" 'linux-image-.*')
    [ -n "$kernel" ] || {
        echo "Debian $suite has no $package for $architecture" >&2
        exit 1
    }
    packages="$kernel $(needed_by "$kernel" 'linux-\(binary\|modules\)-.*')"
    ;;
esac
# shellcheck disable=SC2086 # one word a package
apt-get download -qq $packages
for file in ./*.deb; do
    dpkg-deb -x "$file" .
done
rm -rf apt ./*.deb
