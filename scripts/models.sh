#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the models: the logic of pages, requests, pauses and ends, in many orders of its threads' steps: models.sh [NAME]
#   ORDERS=n          in how many, by each of two schedulers (1000)
#   SCHEDULE=string   in this one only, as a failure has shown it; name the model
set -eu
cd "$(dirname "$0")/.."

# With a target named, the flags are not for build scripts: those of the unit tests serve here, too. Only the scheduler is optimized.
export RUSTFLAGS="${RUSTFLAGS-} --cfg shuttle"
model=${1-models::}
set -- --target "$(rustc -vV | sed -n 's/^host: //p')"
for crate in bitvec corosensei shuttle shuttle-engine shuttle-schedulers shuttle-std; do
    set -- "$@" --config "profile.dev.package.$crate.opt-level=1"
done
exec cargo test --locked --lib "$@" -- "$model"
