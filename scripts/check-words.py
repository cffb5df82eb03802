#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Finds words that the project does not use, since the field has others for what they mean, and shapes of code that it has left
behind: check-words.py [FILE...]. Prints where they are; 1 if there are any."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What is not said, and what is said instead.
WORDS = {
    r"crowd\w*": "concurrent faulters",
    r"attend(ed|s|ing)?": "UnitClaim, claim_for_fault",
    r"at[ _]hand|AtHand|read_at_hand": "cached, CacheOutcome",
    r"patience|in_vain|singly": "UnitBackoff, or what is counted",
    r"unheeded": "drain_events_during",
    r"untold|tell_of_discards": "pending_notifications, notify_discards",
    r"left_alone": "unregistered_zero_runs",
    r"vouch\w*": "mark_received_externally",
    r"let_go": "unregister_removed",
    r"misses_nothing|keep_account": "load_finished, update_progress",
    r"stand_still|hurry|hurried|give_way": "pause_and_wait, skip_urgent_wait, drain_or_yield",
    r"meddle\w*|tally|bark": "control, counters, on_timeout",
    r"the rooms": "the modules",
    r"somebody|anybody": "the fault thread, the caller, the guest, a thread",
    r"(can|can't|cannot|to|could|not) be had": "readable, available",
    r"all pauses|pauses all": "the fault and loader threads pause",
    r"shak(e|es|en|ing) hands|shook hands": "UFFDIO_API has (not) been called",
}

# Shapes of code.
SHAPES = {
    r"\bworker: usize\b": "a worker owns what it uses",
    r"\bbuffers\[worker\]": "a worker owns its buffers",
    r"each worker has a buffer to itself": "a worker owns its buffers",
}

# Where they may stand: here, and in texts that others wrote.
EXCEPT = {"scripts/check-words.py", "LICENSE-APACHE", "LICENSE-MIT", "Cargo.lock"}


def files(names: list[str]) -> list[str]:
    if names:
        return names
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in listed if name not in EXCEPT and not name.endswith((".zst", ".svg", ".png"))]


def main() -> int:
    words = re.compile("|".join(rf"(?P<w{i}>\b(?:{word})\b)" for i, word in enumerate(WORDS)), re.I)
    shapes = re.compile("|".join(rf"(?P<s{i}>{shape})" for i, shape in enumerate(SHAPES)))
    better = {f"w{i}": said for i, said in enumerate(WORDS.values())} | {f"s{i}": said for i, said in enumerate(SHAPES.values())}
    found = 0
    for name in files(sys.argv[1:]):
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1):
            for match in [*words.finditer(line), *shapes.finditer(line)]:
                print(f"{name}:{number}: '{match[0]}': rather {better[match.lastgroup]}")
                found += 1
    print(f"words: {found} to be replaced")
    return bool(found)


sys.exit(main())
