#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Prints the functions that a header declares, in order: declared.sh HEADER
# A declaration of a function starts in column 0 with its type; a type, a comment or an assertion does not look so.
set -eu
sed -n 's/^[a-z][A-Za-z0-9_ ]*[ *]\([a-z0-9_]\{1,\}\)(.*/\1/p' "$1" | sort
