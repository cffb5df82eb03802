#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Checks that c-tests/INDEX.md is up to date, and that each function of the header is called by a C test: check-index.py [--write]

The index lists, for each function of include/uffd-incoming.h, the C tests and helpers that call it. With --write it is written.
"""

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
C_TESTS = ROOT / "c-tests"
INDEX = C_TESTS / "INDEX.md"
SUITES = ["setup", "serve", "snapshot", "clients", "storage", "kvm"]
HEAD = """# Functions and their tests

For each function of [uffd-incoming.h](../include/uffd-incoming.h): the C tests that call it, by suite, and the helpers in `lib`
that call it for other tests. `make index` generates this file, and `make check` compares it.
"""


def functions() -> list[str]:
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "include" / "uffd-incoming.h").read_text(), flags=re.S)
    return sorted(set(re.findall(r"^\w[\w \*]*?\b((?:uffd|postcopy)_\w+)\(", header, re.M)))


def callers(function: str, sources: dict[Path, str]) -> dict[str, list[str]]:
    """The names of those that call it, by suite."""
    found: dict[str, list[str]] = {}
    for file, text in sources.items():
        if re.search(rf"\b{function}\b", text):
            suite, name = ("lib", file.stem) if file.parent.name == "lib" else file.stem.split("-", 1)
            found.setdefault(suite, []).append(name)
    return {suite: sorted(found[suite]) for suite in [*SUITES, "lib"] if suite in found}


def index() -> tuple[str, list[str]]:
    """Its text, and the functions that no test calls."""
    files = sorted([*C_TESTS.glob("*.c"), *(C_TESTS / "lib").glob("*.c")])
    sources = {file: re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S) for file in files}
    parts, untested = [HEAD], []
    for function in functions():
        found = callers(function, sources)
        parts.append(f"## {function}\n")
        for suite, names in found.items():
            line = f"- {suite}: " + ", ".join(f"`{name}`" for name in names)
            parts.append(textwrap.fill(line, 120, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False))
        parts.append("")
        if not found:
            untested.append(function)
    return "\n".join(parts).rstrip() + "\n", untested


def main() -> int:
    text, untested = index()
    if "--write" in sys.argv[1:]:
        INDEX.write_text(text)
    for function in untested:
        print(f"no C test calls {function}()")
    stale = not INDEX.exists() or INDEX.read_text() != text
    if stale:
        print("c-tests/INDEX.md is not up to date: run `make index`")
    return bool(untested) or stale


sys.exit(main())
