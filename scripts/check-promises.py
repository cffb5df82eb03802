#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Checks that each test which docs/reliability.md names for a promise exists and runs, and that each C test is listed: check-promises.py

A name stands in the last column of a table whose heading is "shown by". It is a C test (`place-page`, with its suite after it if
that is not unique: `pause` (clients)), a test of Meson (`demo-changed-byte`), a Rust test (`every_truncation_is_an_error`), or a
target of the Makefile (`make fuzz`). Prints what is wrong; 1 if anything is.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
C_TESTS = ROOT / "c-tests"


def c_tests() -> set[tuple[str, str]]:
    """Suite and name, as listed in c-tests/meson.build."""
    text = (C_TESTS / "meson.build").read_text()
    listed = re.search(r"^tests = \{\n(.*?)^\}", text, re.M | re.S)[1]
    suites = re.findall(r"^  '([\w-]+)': \{\n(.*?)^  \}", listed, re.M | re.S)
    return {(suite, name) for suite, tests in suites for name in re.findall(r"^    '([\w-]+)':", tests, re.M)}


def other_meson_tests() -> set[str]:
    names = {"system-calls"}
    for directory in ["demo", "package"]:
        text = (C_TESTS / directory / "meson.build").read_text()
        names |= {f"{directory}-{name}" for name in re.findall(r"^  '([\w-]+)': \[", text, re.M)}
    return names


def rust_tests() -> set[str]:
    names = set()
    for directory in ["src", "tests", "cli"]:
        for file in (ROOT / directory).rglob("*.rs"):
            for attributes, name in re.findall(r"#\[test\]((?:\s*(?:#\[[^\n]*\]|//[^\n]*))*)\s*fn (\w+)\(", file.read_text()):
                if "ignore" not in attributes:
                    names.add(name)
    return names


def named() -> list[tuple[int, str, str]]:
    """Line, name, and suite or nothing, of each test that the tables name."""
    found, column = [], None
    for number, line in enumerate((ROOT / "docs" / "reliability.md").read_text().splitlines(), 1):
        if not line.startswith("|"):
            column = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[-1] == "shown by":
            column = len(cells) - 1
        elif column is not None and not line.startswith("|--"):
            names = re.findall(r"`([^`]+)`(?: \((\w+)\))?", cells[column])
            found += [(number, name, suite) for name, suite in names]
            if not names and "](#" not in cells[column]:
                found.append((number, "", ""))
    return found


def main() -> int:
    tests, others, rust = c_tests(), other_meson_tests(), rust_tests()
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    suites = {suite for suite, _ in tests}
    problems = []
    promises = named()
    for line, name, suite in promises:
        where = f"docs/reliability.md:{line}"
        of_suites = {of for of, test in tests if test == name}
        if not name:
            problems.append(f"{where}: names no test")
        elif name.startswith("make "):
            if name.removeprefix("make ") not in targets:
                problems.append(f"{where}: the Makefile has no target for `{name}`")
        elif suite in suites:
            if suite not in of_suites:
                problems.append(f"{where}: there is no C test `{name}` in the suite {suite}")
        elif not of_suites and name not in others and name not in rust:
            problems.append(f"{where}: there is no test `{name}`, or it is ignored")

    for suite, name in tests:
        if not (C_TESTS / f"{suite}-{name}.c").exists():
            problems.append(f"c-tests/meson.build: there is no {suite}-{name}.c")
    for file in C_TESTS.glob("*.c"):
        if tuple(file.stem.split("-", 1)) not in tests:
            problems.append(f"c-tests/{file.name}: c-tests/meson.build does not list it")

    print("\n".join(problems) if problems else f"Each of {len(promises)} names of tests in docs/reliability.md is that of a test that runs.")
    return bool(problems)


sys.exit(main())
