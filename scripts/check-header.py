#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Checks that include/uffd-incoming.h is what cbindgen makes of src/abi: check-header.py [--write]

With --write it is made, and the checksums of what it was made of, and of itself, are noted in scripts/header/made-of.sha256.
Without, these are compared: cbindgen, which takes long to build, is only needed where the header changes.
"""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "include/uffd-incoming.h"
MADE_OF = ROOT / "scripts" / "header" / "made-of.sha256"


def sources() -> list[str]:
    """In the order in which the header shows what they define."""
    modules = re.findall(r"^(?:pub )?mod (\w+);", (ROOT / "src" / "abi" / "mod.rs").read_text(), re.M)
    return [f"src/abi/{module}.rs" for module in modules]


def write() -> None:
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    tool = ["cargo", "run", "--quiet", "--locked", "--manifest-path", "scripts/header/Cargo.toml", "--target-dir", target]
    made = subprocess.run([*tool, "--", "cbindgen.toml", *sources()], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    (ROOT / HEADER).write_bytes(made.stdout)
    MADE_OF.write_text(checksums())


def checksums() -> str:
    """As sha256sum prints them."""
    generator = ["cbindgen.toml", "scripts/header/Cargo.lock", "scripts/header/main.rs", "src/abi/mod.rs"]
    files = [*generator, *sources(), HEADER]
    return "".join(f"{hashlib.sha256((ROOT / file).read_bytes()).hexdigest()}  {file}\n" for file in files)


def main() -> int:
    if sys.argv[1:] == ["--write"]:
        write()
        return 0
    noted, now = MADE_OF.read_text().splitlines(), checksums().splitlines()
    changed = sorted({line.split()[1] for line in set(noted) ^ set(now)})
    if changed:
        print(f"{HEADER} may be out of date: run `make header`. Since it was made, these have changed: {', '.join(changed)}")
        return 1
    print(f"{HEADER} is what cbindgen made of {len(now) - 1} files that have not changed since.")
    return 0


sys.exit(main())
