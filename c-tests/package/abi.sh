#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A program that was built with an earlier header runs on this library: abi.sh HEADER DIRECTORY [--write]
# DIRECTORY has the header of the last release, the versions of its functions, and what may change: fields at the end of a struct that
# starts with its size. With --write it gets this header, which is for releases. The test also sees that what must not change is noticed.
set -eu
export LC_ALL=C
header=$(realpath "$1") stored=$2
exports=$(dirname "$header")/../src/abi/exports.map

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A library with the header's functions, which do nothing: Rust's debug information is not C's.
stub() { # HEADER NAME
    {
        printf '#include "%s"\n' "$1"
        awk '
            /^[a-z]/ && !/^(typedef|extern|static_assert)/ && /\(/ { declaration = "" ; inside = 1 }
            inside { declaration = declaration $0 "\n" }
            inside && /;$/ { sub(/;\n$/, " { __builtin_unreachable(); }", declaration); print declaration; inside = 0 }
        ' "$1"
    } >"$scratch/$2.c"
    # shellcheck disable=SC2086 # a compiler may come with flags
    $CC -g -shared -fPIC -Wno-unused-parameter -ffile-prefix-map="$scratch"=. "$scratch/$2.c" -o "$scratch/$2.so" -Wl,-soname,libuffd_incoming.so.0
}

constants() { # HEADER
    sed -n 's/^#define \(UFFD_[A-Z0-9_]* .*\)/\1/p' "$1" | sort
}

# Each field of a struct with its place: abidiff lets more pass than fields at the end, once it is to let those pass.
fields() { # HEADER
    sed 's,/\*.*\*/,,; /^ *\/\*/,/\*\/$/d' "$1" | awk '
        /^typedef struct [A-Za-z]+ {$/ { name = $3; field = 0; declaration = ""; next }
        /^}/ { name = "" }
        name { declaration = declaration " " $0 }
        name && /;$/ { gsub(/ +/, " ", declaration); print name, ++field declaration; declaration = "" }
    ' | sort
}

# Each function with the version that programs ask for.
versions() {
    sed -n 's/^\([A-Z0-9_.]*\) {$/v \1/p; s/^ *\([a-z0-9_]*\);$/f \1/p' "$exports" |
        awk '$1 == "v" { version = $2 } $1 == "f" { print $2 "@" version }' | sort
}

is_missing() { # BEFORE NOW: a line that the one list has, and the other does not
    [ -s "$1" ] || {
        echo "expected lines in $1"
        exit 1
    }
    comm -23 "$1" "$2" >"$scratch/difference"
    [ -s "$scratch/difference" ]
}

describe() { # HEADER NAME: what has to stay of it
    stub "$1" "$2"
    fields "$1" >"$scratch/$2.fields"
    constants "$1" >"$scratch/$2.constants"
}

is_compatible() { # HEADER
    describe "$1" new || exit
    status=0
    abidiff --no-added-syms --suppressions "$stored/suppressions" "$scratch/stored.so" "$scratch/new.so" \
        >"$scratch/difference" 2>&1 || status=$?
    if [ $((status & 3)) -ne 0 ]; then # not a difference
        cat "$scratch/difference"
        exit 1
    fi
    [ "$status" -eq 0 ] && ! is_missing "$scratch/stored.fields" "$scratch/new.fields" &&
        ! is_missing "$scratch/stored.constants" "$scratch/new.constants" && ! is_missing "$stored/versions" "$scratch/versions"
}

expect_incompatible() { # WHAT SED-SCRIPT
    sed "$2" "$header" >"$scratch/changed.h"
    if cmp -s "$header" "$scratch/changed.h" || is_compatible "$scratch/changed.h"; then
        echo "expected this to be noticed: $1"
        exit 1
    fi
}

if [ "${3-}" = --write ]; then
    cp "$header" "$stored/uffd-incoming.h"
    versions >"$stored/versions"
    exit
fi

describe "$stored/uffd-incoming.h" stored
versions >"$scratch/versions"

if ! is_compatible "$header"; then
    cat "$scratch/difference"
    echo "expected $header to stay compatible with the ABI in $stored"
    exit 1
fi

sed 's/^    uint64_t bytes_read_on_demand;$/&\n    uint64_t one_more;/' "$header" >"$scratch/appended.h"
if cmp -s "$header" "$scratch/appended.h" || ! is_compatible "$scratch/appended.h"; then
    cat "$scratch/difference"
    echo "expected that a field may be added at the end of a struct"
    exit 1
fi
expect_incompatible 'a function is gone' '/^int uffd_incoming_notify(/d'
expect_incompatible 'a parameter has another type' 's/int timeout_ms)/long timeout_ms)/'
expect_incompatible 'a field is added in the middle of a struct' 's/^    uint64_t pages_placed;$/    uint64_t more;\n&/'
expect_incompatible 'a field has another type' 's/^    uint32_t loader_threads;$/    uint16_t loader_threads;/'
expect_incompatible 'a field has another type, and one is added at the end' \
    's/^    uint64_t bytes_moved;$/    int64_t bytes_moved;/; s/^    uint64_t bytes_read_on_demand;$/&\n    uint64_t one_more;/'
expect_incompatible 'a constant has another value' 's/^#define UFFD_LOAD_DIRECT_IO .*/#define UFFD_LOAD_DIRECT_IO (1 << 30)/'
