#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sums up what guests have said, as tables of Markdown: table.py LOG...

A row a kernel, a column a suite; then each test that did not pass, with its reason. 1 if a test failed, or a guest did not end.
"""

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

SKIPPED = 77


class Run:
    def __init__(self, log: Path) -> None:
        text = log.read_text(errors="replace") if log.exists() else ""
        kernel = re.search(r"KERNEL (\S+) (\S+) *(\d*)", text)
        self.name = f"{kernel[1]}, {kernel[2]}{f', pages of {kernel[3]} KiB' if kernel[3] else ''}" if kernel else f"{log.parent.name}: did not boot"
        self.is_whole = re.search(r"^ALL RUN", text, re.M) is not None
        self.results = [(name, int(status)) for name, status in re.findall(r"^RESULT (\S+) (\d+) \d+", text, re.M)]
        said = re.findall(r"^(\S+): \S+: (?:SKIP|FAIL): (.*?)\r?$", text, re.M)
        self.reasons = dict(said)

    def of_suite(self, suite: str) -> str:
        statuses = Counter("passed" if s == 0 else "skipped" if s == SKIPPED else "failed" for n, s in self.results if n.split("-")[0] == suite)
        if not statuses:
            return ""
        others = [f"{statuses[what]} {what}" for what in ["skipped", "failed"] if statuses[what]]
        return ", ".join([str(statuses["passed"]), *others])


def main() -> int:
    runs = [Run(Path(log)) for log in sys.argv[1:]]
    suites = list(dict.fromkeys(name.split("-")[0] for run in runs for name, _ in run.results))
    print(f"| kernel | {' | '.join(suites)} |\n|---|{'--:|' * len(suites)}")
    for run in runs:
        name = run.name if run.is_whole else f"{run.name} (did not end)"
        print(f"| {name} | {' | '.join(run.of_suite(suite) for suite in suites)} |")

    reasons: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        for name, status in run.results:
            if status != 0:
                kind = "skipped" if status == SKIPPED else "FAILED"
                suite, _, test = name.split("-", 2)
                reasons[f"{kind}: {run.reasons.get(name, f'status {status}')}"][run.name].add(f"{suite}-{test}")
    print("\n| reason | kernels | tests |\n|---|---|---|")
    for reason, kernels in sorted(reasons.items()):
        tests = sorted(set().union(*kernels.values()))
        print(f"| {reason} | {'; '.join(kernels)} | {', '.join(f'`{test}`' for test in tests)} |")
    failed = sum(status not in (0, SKIPPED) for run in runs for _, status in run.results)
    return failed != 0 or not all(run.is_whole for run in runs)


sys.exit(main())
