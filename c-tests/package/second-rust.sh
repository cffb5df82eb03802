#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The static library gets along with a second static library in Rust, whichever comes first, and both catch their panics:
# second-rust.sh RUSTC HEADER ARCHIVE
set -eu
rustc=$1 header=$2 archive=$(realpath "$3")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

cat >second.rs <<'EOF'
#[unsafe(no_mangle)]
pub extern "C" fn second() -> i32 {
    std::panic::set_hook(Box::new(|_| ()));
    std::panic::catch_unwind(|| panic!("on purpose")).map_or(42, |()| 0)
}
EOF
"$rustc" --edition 2024 --crate-type staticlib -O second.rs -o libsecond.a

cat >main.c <<'EOF'
#include <stdio.h>
#include "uffd-incoming.h"
int second(void);
int main(void)
{
    int failed = uffd_incoming_cleanup(NULL), caught = second();

    if (failed >= 0 || uffd_incoming_error()[0] == '\0' || caught != 42) {
        printf("expected an error and 42, seen %d '%s' and %d\n", failed, uffd_incoming_error(), caught);
        return 1;
    }
    return 0;
}
EOF
for libraries in "$archive libsecond.a" "libsecond.a $archive"; do
    # shellcheck disable=SC2086 # words of a command, and of a list
    $CC -I "$(dirname "$header")" main.c $libraries -lgcc_s -lpthread -lm -ldl -o both
    ./both
done
