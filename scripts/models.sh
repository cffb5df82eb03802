#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the models: the logic of pages, requests, pauses and ends, in many orders of its threads' steps: models.sh [NAME]
#   ORDERS=n          in how many, by each of two schedulers (1000)
#   SCHEDULE=string   in this one only, as a failure has shown it; name the model
set -eu
cd "$(dirname "$0")/.."

# In a directory of its own: what is built here is of no use elsewhere.
export RUSTFLAGS="${RUSTFLAGS-} --cfg shuttle" CARGO_PROFILE_DEV_OPT_LEVEL=1
exec cargo test --locked --lib --target-dir "${CARGO_TARGET_DIR:-target}/models" \
    -- "${1-models::}"
