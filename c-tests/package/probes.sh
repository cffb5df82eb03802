#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A tracer finds the static probes (USDT), as docs/tracing.md lists them, in the shared library, and in a program that has the static
# one: probes.sh DOCUMENTATION LIBRARY ARCHIVE NATIVE_STATIC_LIBS CONSUMER.C
set -eu
documentation=$1 library=$2 archive=$3 native_static_libs=$4 consumer=$5

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A row begins with the probe and its arguments: | `place(address, length, how)` |
sed -n 's/^| `\([a-z]*\)(\([a-z, ]*\))`.*/\1 \2/p' "$documentation" |
    awk '{ print $1, NF - 1 }' | sort >"$scratch/documented"
[ -s "$scratch/documented" ] || {
    echo "expected a table of probes in $documentation"
    exit 1
}

header=$(cd "$(dirname "$documentation")/../include" && pwd)
# shellcheck disable=SC2086 # words of a command line
$CC -I "$header" "$consumer" "$archive" $native_static_libs -o "$scratch/program"
for file in "$library" "$scratch/program"; do
    # Each probe may stand in several places.
    readelf --notes --wide "$file" | awk '
        /Provider:/ { ours = $NF == "uffd_incoming" }
        /Name:/ { name = $2 }
        /Location:/ && $2 ~ /^0x0*,$/ { print "nowhere:", name }
        /Arguments:/ && ours { print name, NF - 1 }' | sort -u >"$scratch/found"
    diff -u "$scratch/documented" "$scratch/found" || {
        echo "expected $file to have (+) the probes that are documented (-), with as many arguments"
        exit 1
    }
done
