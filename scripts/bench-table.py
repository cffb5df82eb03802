#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Prints a run of `make bench` as tables of Markdown, for docs/performance.md: bench-table.py BENCH.json

A ratio compares the median of the library's runs with that of a program named in italics. The goal stands in parentheses; what
misses it is bold.
"""

import itertools
import json
import sys
from pathlib import Path


def number(value: float) -> str:
    if value >= 1e5:
        return f"{value / 1e3:,.0f},000"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def judged(row: dict) -> str:
    goal = f" ({row['goal'].replace('<=', '≤').replace('>=', '≥')})" if row["goal"] else ""
    if row["baseline"]:
        text = f"{row['ratio']:.2f} of *{row['baseline']['name']}*{goal}"
    else:
        text = goal.strip(" ()")
    return f"**{text}**" if row["met"] is False else text


def main() -> int:
    rows = json.loads(Path(sys.argv[1]).read_text())
    for section, in_section in itertools.groupby(rows, key=lambda row: row["section"]):
        print(f"\n#### {section}\n\n| | median | range | ratio (goal) |\n|---|--:|--:|---|")
        for name, same in itertools.groupby(in_section, key=lambda row: row["name"]):
            same = list(same)
            first = same[0]
            figures = f"{number(first['figure'])} {first['unit']} | {number(first['min'])} – {number(first['max'])}"
            print(f"| {name} | {figures} | {', '.join(filter(None, map(judged, same)))} |")
    return 0


sys.exit(main())
