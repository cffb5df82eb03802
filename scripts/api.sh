#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Compares the Rust API with tests/public-api.txt, that of the last release: api.sh [--write]
# Fails if something was removed or changed; shows what was added. Needs a nightly Rust; installs cargo-public-api if it is missing.
#   --write   makes the API of now the one to compare with
set -eu
cd "$(dirname "$0")/.."
stored=tests/public-api.txt

[ "${1-}" = --write ] || [ -s "$stored" ] || {
    echo "$stored is missing" >&2
    exit 1
}
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "A nightly Rust is missing, which rustdoc's JSON needs: run \`rustup toolchain install nightly\`." >&2
    exit 1
fi
cargo public-api --version >/dev/null 2>&1 || cargo install --locked cargo-public-api

now=$(mktemp)
trap 'rm -f "$now"' EXIT
# Without `abi`, whose types are those of the C header: the test package-abi compares that.
cargo +nightly public-api -sss --features log,vm-memory >"$now.all"
LC_ALL=C grep -v ' uffd_incoming::abi' "$now.all" >"$now"
rm -f "$now.all"
if [ "${1-}" = --write ]; then
    cp "$now" "$stored"
    exit
fi
diff "$stored" "$now" | sed -n 's/^> /added:   /p'
gone=$(diff "$stored" "$now" | sed -n 's/^< /removed: /p')
if [ -n "$gone" ]; then
    echo "$gone" >&2
    echo "This breaks programs. If it is meant to: raise the version, say so in CHANGELOG.md, and run \`scripts/api.sh --write\`." >&2
    exit 1
fi
