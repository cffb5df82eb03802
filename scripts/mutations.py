#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Breaks the library on purpose, one promise at a time, and sees that the test named for it fails: mutations.py BUILD_DIR [WORD...]

Each mutation replaces a piece of a source file, which has to be there exactly once, in a copy of the sources, made anew each
time. The tests are those of the build directory, and run with the broken library in place of the right one, with which they
have to pass; a test that then takes many times as long has hung, and counts as caught. With words, only those mutations whose test
has one of them in its name.
"""

import concurrent.futures
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MOST_SECONDS = 20
LEAST_SECONDS = 4
# Most of them wait.
TESTS_AT_ONCE = 4
# How many times as long as with the right library a test may take: beside others, and alone.
LONGER = 10
LOOKS = 8
LONGER_ALONE = 3

# Tests that look at times.
TIMED = {
    "clients-shared-spin",
    "serve-shared-spin",
    "storage-shared-concurrent-faulters-slow",
    "storage-shared-concurrent-faulters-unit",
}


class Mutation(NamedTuple):
    what: str
    test: str
    file: str
    old: str
    new: str


MUTATIONS = [
    Mutation(
        "RAM that is mapped from the file loses what was asked for it",
        "snapshot-shared-map-private",
        "src/kernel/in_place.rs",
        "    asked.advice.iter().try_for_each",
        "    asked.advice.iter().take(0).try_for_each",
    ),
    Mutation(
        "RAM stays mapped from the file though the load has failed",
        "snapshot-shared-map-private-undone",
        "src/incoming/mapping.rs",
        "        for (memory, asked) in &self.done {",
        "        for (memory, asked) in self.done.iter().take(0) {",
    ),
    Mutation(
        "a load is complete before the working set of mapped RAM is read",
        "storage-shared-map-private",
        "src/incoming/setup.rs",
        "        if load.reads_ahead() {",
        "        if false {",
    ),
    Mutation(
        "the page that wakes a fault thread stays locked",
        "clients-shared-added-when-locked",
        "src/kernel/mapping.rs",
        "        self.unlock();\n        before(Call::MadviseDontNeed)?;",
        "        before(Call::MadviseDontNeed)?;",
    ),
    Mutation(
        "a fault thread that sleeps in read() is not woken",
        "serve-shared-notify",
        "src/engine/waker.rs",
        "bell.change(|state| state.is_to_ring = true);",
        "let _ = bell;",
    ),
    Mutation(
        "a fault thread that follows a pinned thread is not told that it is idle",
        "serve-shared-follow-pinned",
        "src/engine/leader.rs",
        "self.sleep.served(engine, leading.following.is_there());",
        "self.sleep.served(engine, false);",
    ),
    Mutation(
        "a page is marked received before it is placed",
        "serve-shared-place-unreadable-source",
        "src/engine/placing.rs",
        "        while at < end && result.is_ok() {\n            let (uffd, number, stripe_end)",
        "        self.account().receive(index, pages.clone());\n        while at < end && result.is_ok() {\n            let (uffd, number, stripe_end)",
    ),
    Mutation(
        "the userfaultfd is closed while pages are missing",
        "snapshot-shared-truncated-background",
        "src/incoming/armed.rs",
        "            self.engine.account().load_finished(),\n",
        "            true,\n",
    ),
    Mutation(
        "EEXIST is an error",
        "serve-shared-place-range",
        "src/engine/placing.rs",
        "Errno::EEXIST => Next::SkipPresent",
        "Errno::EEXIST => Next::Give",
    ),
    Mutation(
        "EEXIST is believed where no huge page is left",
        "storage-shared-huge-pool-exhausted",
        "src/engine/refusals.rs",
        "self.registration().of(index).zeropage ||",
        "self.registration().of(index).zeropage || offset < usize::MAX ||",
    ),
    Mutation(
        "a clean-up closes over a page that was asked for",
        "serve-shared-late-threads",
        "src/incoming/armed.rs",
        "        if gate.skips_urgent_wait() {",
        "        if true {",
    ),
    Mutation(
        "a fault of a removed block is filled",
        "serve-shared-removed-block-armed-elsewhere",
        "src/engine/placing.rs",
        "if self.registration().is_stuck(index) {",
        "if self.registration().is_stuck(index) || index < usize::MAX {",
    ),
    Mutation(
        "discards keep pages from being placed",
        "serve-shared-discards-in-a-row",
        "src/engine/discards.rs",
        "|_| refusals >= MOST_REFUSALS)",
        "|_| refusals == u32::MAX)",
    ),
    Mutation(
        "the loader passes over a page that could not be read",
        "snapshot-shared-truncated-background",
        "src/loading/background.rs",
        "Ok(()) => return Ok(()),\n                Err(error) if engine.is_to_poison(piece.index, &error) => {",
        "Ok(()) | Err(_) => return Ok(()),\n                Err(error) if engine.is_to_poison(piece.index, &error) => {",
    ),
    Mutation(
        "a page that was received and then discarded is asked for again",
        "serve-shared-discard-after-received",
        "src/engine/fault.rs",
        "} else if !block.received().get(page) && engine.account().request(index, page) {",
        "} else if engine.account().request(index, page) || true {",
    ),
    Mutation(
        "a handler that fails counts as one that does not",
        "serve-shared-handler-fails-once",
        "src/engine/fault.rs",
        "            Err(_) if !removed && block.is_removed() => {}\n",
        "            Err(_) => return Ok(true),\n            #[allow(unreachable_patterns)]\n",
    ),
    Mutation(
        "a page that was discarded after it was read is placed",
        "serve-shared-discard-before-placing",
        "src/engine/placing.rs",
        "if placing.is_some() { unless_received(",
        "if false { unless_received(",
    ),
    Mutation(
        "a load with poisoned pages calls itself complete",
        "snapshot-shared-poison-truncated",
        "src/engine/account.rs",
        "        match self.poisoned_pages() {\n",
        "        match self.poisoned_pages().filter(|_| false) {\n",
    ),
    Mutation(
        "a page is given up when all around it cannot be read",
        "storage-shared-concurrent-faulters-bad-page",
        "src/loading/fault_loader.rs",
        "                if placed.is_ok() {\n",
        "                if placed.map(|()| true)? {\n",
    ),
    Mutation(
        "bytes under a clear bit of the bitmap are data",
        "snapshot-shared-stale-bytes",
        "src/source/data_pages.rs",
        "        self.words[(page / 64) as usize] >> (page % 64) & 1 != 0\n",
        "        self.words[(page / 64) as usize] >> (page % 64) & 1 != 2\n",
    ),
    Mutation(
        "zeros that are read along keep the bytes of the file",
        "snapshot-shared-stale-bytes",
        "src/source/snapshot.rs",
        "        if run.kind == Kind::Zero {\n",
        "        if run.kind == Kind::Zero && offset > u64::MAX / 2 {\n",
    ),
    Mutation(
        "a fault thread sleeps at once where it may look for the next fault",
        "serve-shared-spin",
        "src/engine/engine.rs",
        "self.loaders.load(Relaxed) < self.cpus",
        "self.loaders.load(Relaxed) + 1 < self.cpus",
    ),
    Mutation(
        "a fault thread looks for the next fault where that takes the last CPU",
        "serve-shared-spin",
        "src/engine/engine.rs",
        "self.loaders.load(Relaxed) < self.cpus",
        "self.loaders.load(Relaxed) <= self.cpus",
    ),
    Mutation(
        "a notification wakes nobody",
        "serve-shared-notify",
        "src/incoming/pages.rs",
        "        self.with_engine(|engine| {\n            engine.wake_fault_threads();\n",
        "        self.with_engine(|_| {\n",
    ),
    Mutation(
        "a fault never waits for all of its unit",
        "storage-shared-concurrent-faulters-slow",
        "src/loading/backoff.rs",
        "if self.pages_only > 0 {",
        "if self.pages_only == 0 {",
    ),
    Mutation(
        "after each unit, the next faults wait for their pages only",
        "storage-shared-concurrent-faulters-unit",
        "src/loading/backoff.rs",
        "!failed && time <= MOST_WAIT;",
        "!failed && time <= Duration::ZERO;",
    ),
    Mutation(
        "a fault that takes waiting for the disk keeps the next ones waiting",
        "storage-shared-hangs-fault",
        "src/engine/fault_thread.rs",
        "if self.lane.has_others() { Wait::Never }",
        "if self.lane.has_others() && false { Wait::Never }",
    ),
    Mutation(
        "a fault that nobody is idle for is forgotten",
        "storage-shared-many-hang",
        "src/engine/lane.rs",
        "            state.left.push_back(fault);\n",
        "",
    ),
    Mutation(
        "a page is read once for each thread that waits for it",
        "storage-shared-many-hang",
        "src/engine/lane.rs",
        "            flight.is_wanted = true;\n            drop(state);\n            return WhoWaits::Other(self);",
        "            flight.is_wanted = true;",
    ),
    Mutation(
        "all RAM is served by the first fault thread",
        "serve-shared-fault-threads",
        "src/engine/registration.rs",
        "number: stripe % uffds, ",
        "number: stripe % uffds.min(1), ",
    ),
    Mutation(
        "however many loader threads are asked for, there is one",
        "snapshot-shared-load-many-threads",
        "src/loading/background.rs",
        "(0..load.config.loaders())",
        "(0..1)",
    ),
    Mutation(
        "a thread that gets signals while it waits is counted again",
        "serve-shared-signals-while-waiting",
        "src/engine/waits.rs",
        "(self.vcpu.is_some() || (self.thread == other.thread && self.thread != 0))",
        "self.vcpu.is_some()",
    ),
    Mutation(
        "clients are not told of pages that were discarded",
        "clients-shared-discarded-while-waiting",
        "src/engine/discards.rs",
        "            bits(*first, *mask).for_each(|page| account.notify_shared(*index, page..page + 1));\n",
        "            let _ = bits(*first, *mask);\n",
    ),
    Mutation(
        "a fault thread looks for faults of its own while it serves another process",
        "clients-shared-spin",
        "src/engine/leader.rs",
        " || !self.sleep.shared().is_empty() || following",
        " || following",
    ),
    Mutation(
        "what the page cache holds of a unit is read once more",
        "snapshot-shared-half-cached",
        "src/loading/page_loader.rs",
        "                let source = self.pages.blocks[*index];\n                let rest",
        "                let fetched = fetched * 0;\n                let source = self.pages.blocks[*index];\n                let rest",
    ),
    Mutation(
        "a unit that is partly in the page cache is read by way of it, though it shall not be",
        "snapshot-shared-half-cached",
        "src/source/direct.rs",
        "to.len() >= LEAST_DIRECT && ",
        "to.len() >= LEAST_DIRECT && to.len() < 2 << 20 && ",
    ),
]


def copy_sources(copy: Path) -> None:
    """Not with their times: cargo shall not take what it made of broken sources for up to date."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in ["Cargo.toml", "Cargo.lock", "README.md"]:
        shutil.copy(ROOT / name, copy)
    for name in ["src", "tests", "cli"]:
        shutil.copytree(ROOT / name, copy / name, copy_function=shutil.copy)
    # What is built of it shall be in nobody's way.
    manifest = copy / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace('name = "uffd_incoming"', 'name = "broken"'))


@contextlib.contextmanager
def broken(file: Path, mutation: Mutation):
    text = file.read_text()
    file.write_text(text.replace(mutation.old, mutation.new))
    try:
        yield
    finally:
        file.write_text(text)


def build(copy: Path, library: Path) -> bool:
    """The crates that it uses are those that cargo has built for the unit tests."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    command = ["cargo", "rustc", "--lib", "--crate-type", "cdylib", "--locked", "--quiet", "--target-dir", str(target)]
    if subprocess.run([*command, "--", "-Awarnings", "-Cdebuginfo=0"], cwd=copy).returncode != 0:
        return False
    library.mkdir(parents=True, exist_ok=True)
    shutil.copy(target / "debug" / "libbroken.so", library / "libuffd_incoming.so.0")
    return True


def passes(tests: Path, library: Path, test: str, seconds: float) -> bool:
    environment = {**os.environ, "UFFD_TEST_DATA": str(ROOT / "c-tests" / "data"), "LD_LIBRARY_PATH": str(library)}
    try:
        ran = subprocess.run([tests / test], env=environment, timeout=seconds, capture_output=True)
        return ran.returncode == 0
    except subprocess.TimeoutExpired:
        return False


def main() -> int:
    build_dir, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    mutations = [mutation for mutation in MUTATIONS if not words or any(word in mutation.test for word in words)]
    tests, place = build_dir / "c-tests", build_dir / "mutations"
    copy, right = place / "sources", place / "right"
    copy_sources(copy)
    if not build(copy, right):
        print("FAIL: the library cannot be built")
        return 1

    @functools.cache
    def right_seconds(test: str) -> float | None:
        began = time.monotonic()
        return time.monotonic() - began if passes(tests, right, test, MOST_SECONDS) else None

    def verdict(mutation: Mutation, wrong: Path) -> str:
        seconds = right_seconds(mutation.test)
        if seconds is None:
            return f"FAIL: {mutation.test} fails with the unbroken library"
        is_timed = mutation.test in TIMED
        longest = max(LEAST_SECONDS, (LONGER_ALONE if is_timed else LONGER) * seconds)
        # On a busy machine, a test that looks at times may not see what is wrong: it gets more than one look.
        caught = not all(passes(tests, wrong, mutation.test, longest) for _ in range(LOOKS if is_timed else 1))
        return f"caught by {mutation.test}" if caught else f"FAIL: not caught by {mutation.test}"

    def build_broken(mutation: Mutation, wrong: Path) -> str | None:
        file = copy / mutation.file
        if file.read_text().count(mutation.old) != 1:
            return f"FAIL: {mutation.file} does not hold what is to be broken once"
        with broken(file, mutation):
            return None if build(copy, wrong) else "FAIL: it cannot be built"

    failed = 0

    def report(mutation: Mutation, said: str) -> None:
        nonlocal failed
        failed += said.startswith("FAIL")
        print(f"{mutation.what}: {said}", flush=True)

    # While tests run, the next broken library is built; those that look at times come last, one by one.
    with concurrent.futures.ThreadPoolExecutor(TESTS_AT_ONCE) as testers:
        tested, timed = [], []
        for number, mutation in enumerate(mutations):
            wrong = place / f"wrong-{number}"
            problem = build_broken(mutation, wrong)
            if problem is not None:
                report(mutation, problem)
            elif mutation.test in TIMED:
                timed.append((mutation, wrong))
            else:
                tested.append((mutation, testers.submit(verdict, mutation, wrong)))
        for mutation, result in tested:
            report(mutation, result.result())
    for mutation, wrong in timed:
        report(mutation, verdict(mutation, wrong))
    print(f"mutations: {len(mutations) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
