#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Finds imports that run back up: between the modules of src, between the files of a module, and between the headers and
sources of a C program. Prints each circle, and each import against the order of the modules; 1 if there is one.

The order of the modules stands in docs/architecture.md, in the line that begins with "abi ->".
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# Used by every layer, and they use none.
APART = {"error", "probes", "stats", "sync"}


def order() -> list[str]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    return re.search(r"^abi -> .*$", text, re.M)[0].split(" -> ")


def without_tests(text: str) -> str:
    """Tests and models may look into any file."""
    text = re.sub(r"//[^\n]*", "", text)
    return re.split(r"\n#\[cfg\((?:all\()?(?:any\()?test[^\n]*\]\n(?:pub\S* )?mod \w+ \{", text)[0]


def is_test(file: Path) -> bool:
    return any(part in ("tests", "models", "fuzzing") for part in file.relative_to(SRC).with_suffix("").parts)


def paths(text: str, prefix: str) -> set[str]:
    """The first names behind `prefix::` in a text, those in braces included."""
    names = set(re.findall(rf"\b{prefix}::(\w+)", text))
    for group in re.findall(rf"\b{prefix}::\{{((?:[^{{}}]|\{{[^{{}}]*\}})*)\}}", text):
        names |= set(re.findall(r"(?:^|,)\s*(\w+)", group))
    return names


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other."""
    reach = {node: set(to) for node, to in edges.items()}
    changed = True
    while changed:
        changed = False
        for node, to in reach.items():
            more = set().union(to, *(reach.get(other, set()) for other in to))
            if more != to:
                reach[node], changed = more, True
    groups = {frozenset(other for other in reach[node] if node in reach.get(other, ())) for node in reach if node in reach[node]}
    return [sorted(group) for group in groups]


def check_modules() -> list[str]:
    found, layers = [], order()
    for file in sorted(SRC.rglob("*.rs")):
        module = file.relative_to(SRC).with_suffix("").parts[0]
        if is_test(file) or module == "lib":
            continue
        for used in paths(without_tests(file.read_text()), "crate") & set(layers):
            if module in APART and used != module and not (module == "sync" and used == "kernel"):
                found.append(f"{file.relative_to(ROOT)}: {module} uses {used}, and every layer uses {module}")
            elif module in layers and layers.index(used) < layers.index(module):
                found.append(f"{file.relative_to(ROOT)}: {module} uses {used}, which stands above it")
    return found


def check_files() -> list[str]:
    found = []
    for module in sorted(path for path in SRC.iterdir() if path.is_dir()):
        files = {file.stem: file for file in module.glob("*.rs") if not is_test(file)}
        edges = defaultdict(set)
        for name, file in files.items():
            text = without_tests(file.read_text())
            used = paths(text, "super") | paths(text, f"crate::{module.name}")
            for other in used:
                # A name that is no file's comes from mod.rs, which uses all of them.
                edges[name].add(other if other in files else "mod")
        edges["mod"] = {name for name in files if name != "mod"}
        edges = {name: {other for other in to if other != name} for name, to in edges.items()}
        found += [f"src/{module.name}: a circle of {', '.join(circle)}" for circle in circles(edges)]
    return found


def check_c() -> list[str]:
    """Each source belongs to the header of its name."""
    found = []
    tree = ROOT / "c-tests"
    for folder in sorted({file.parent for file in tree.rglob("*.h")}):
        edges = defaultdict(set)
        names = {file.stem for file in folder.glob("*.h")}
        for file in [*folder.glob("*.h"), *folder.glob("*.c")]:
            if file.stem in names:
                edges[file.stem] |= {name for name in re.findall(r'#include "(?:[\w./-]*/)?([\w-]+)\.h"', file.read_text()) if name in names}
        edges = {name: {other for other in to if other != name} for name, to in edges.items()}
        found += [f"{folder.relative_to(ROOT)}: a circle of {', '.join(circle)}" for circle in circles(edges)]
    return found


def main() -> int:
    found = check_modules() + check_files() + check_c()
    for line in found:
        print(line)
    print(f"layers: {len(found)} imports or circles run back up")
    return bool(found)


sys.exit(main())
