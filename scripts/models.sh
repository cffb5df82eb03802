#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the models: the logic of pages, requests, pauses and ends, in many orders of its threads' steps: models.sh [NAME]
#   ORDERS=n          in how many, by each of two schedulers (1000)
#   SCHEDULE=string   in this one only, as a failure has shown it; name the model
set -eu
cd "$(dirname "$0")/.."

export RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/rustc-shuttle.sh"
exec cargo test --locked --lib -- "${1-models::}"
