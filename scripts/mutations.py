#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Breaks the library on purpose, one promise at a time, and sees that the test named for it fails: mutations.py BUILD_DIR

Each mutation replaces a piece of a source file, which has to be there exactly once, in a copy of the sources. The tests are
those of the build directory, and run with the broken library in place of the right one; what takes longer than a test's
time has hung, and counts as caught.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 20


class Mutation(NamedTuple):
    what: str
    test: str
    file: str
    old: str
    new: str


MUTATIONS = [
    Mutation(
        "a page is marked received before it is placed",
        "serve-shared-place-unreadable-source",
        "src/incoming/placing.rs",
        "        while at < end {\n            let (uffd, number, stripe_end)",
        "        self.receive(index, pages.clone());\n        while at < end {\n            let (uffd, number, stripe_end)",
    ),
    Mutation(
        "the userfaultfd is closed while pages are missing",
        "snapshot-shared-truncated-background",
        "src/incoming/armed.rs",
        "            self.engine.misses_nothing(),\n",
        "            true,\n",
    ),
    Mutation(
        "EEXIST is an error",
        "serve-shared-place-range",
        "src/incoming/placing.rs",
        "Errno::EEXIST => Next::SkipPresent",
        "Errno::EEXIST => Next::Give",
    ),
    Mutation(
        "the loader passes over a page that could not be read",
        "snapshot-shared-truncated-background",
        "src/snapshot/loader.rs",
        "            Err(error) if engine.is_to_poison(piece.index, &error) => break,\n",
        "            Err(_) => return Ok(()),\n            #[allow(unreachable_patterns)]\n"
        "            Err(error) if engine.is_to_poison(piece.index, &error) => break,\n",
    ),
    Mutation(
        "a page that was received and then discarded is asked for again",
        "serve-shared-discard-after-received",
        "src/incoming/fault_thread.rs",
        "let ask = !removed && !block.received().get(fault.page) && engine.request(fault.index, fault.page);",
        "let ask = !removed && (engine.request(fault.index, fault.page) || true);",
    ),
    Mutation(
        "a handler that fails counts as one that does not",
        "serve-shared-handler-fails-once",
        "src/incoming/fault_thread.rs",
        "            Err(_) if !removed && block.is_removed() => {}\n",
        "            Err(_) => return Ok(()),\n            #[allow(unreachable_patterns)]\n",
    ),
    Mutation(
        "a page that was discarded after it was read is placed",
        "serve-shared-discard-before-placing",
        "src/incoming/placing.rs",
        "if placing.is_some() { unless_received(",
        "if false { unless_received(",
    ),
    Mutation(
        "a load with poisoned pages calls itself complete",
        "snapshot-shared-poison-truncated",
        "src/incoming/engine.rs",
        "        match self.poisoned_pages() {\n",
        "        match self.poisoned_pages().filter(|_| false) {\n",
    ),
    Mutation(
        "bytes under a clear bit of the bitmap are data",
        "snapshot-shared-stale-bytes",
        "src/snapshot/data_pages.rs",
        "        self.words[(page / 64) as usize] >> (page % 64) & 1 != 0\n",
        "        self.words[(page / 64) as usize] >> (page % 64) & 1 != 2\n",
    ),
]


def build(copy: Path, target: Path) -> Path:
    command = ["cargo", "build", "--lib", "--locked", "--quiet", "--target-dir", str(target)]
    subprocess.run(command, cwd=copy, check=True, env={**os.environ, "RUSTFLAGS": "-Awarnings"})
    built = target / "debug"
    shutil.copy(built / "libuffd_incoming.so", built / "libuffd_incoming.so.0")
    return built


def passes(tests: Path, environment: dict, test: str) -> bool:
    try:
        ran = subprocess.run([tests / test], env=environment, timeout=SECONDS, capture_output=True)
        return ran.returncode == 0
    except subprocess.TimeoutExpired:
        return False


def main() -> int:
    build_dir = Path(sys.argv[1]).resolve()
    tests = build_dir / "c-tests"
    copy, target = build_dir / "mutations" / "sources", build_dir / "mutations" / "target"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in ["Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml", "README.md"]:
        shutil.copy(ROOT / name, copy)
    for name in ["src", "include", "tests"]:
        shutil.copytree(ROOT / name, copy / name)
    environment = {**os.environ, "UFFD_TEST_DATA": str(ROOT / "c-tests" / "data")}
    environment["LD_LIBRARY_PATH"] = str(build(copy, target))

    failed = 0
    for mutation in MUTATIONS:
        file = copy / mutation.file
        text = file.read_text()
        if text.count(mutation.old) != 1:
            print(f"FAIL: {mutation.what}: {mutation.file} does not hold what is to be broken once")
            failed += 1
            continue
        right = passes(tests, environment, mutation.test)
        file.write_text(text.replace(mutation.old, mutation.new))
        build(copy, target)
        caught = not passes(tests, environment, mutation.test)
        file.write_text(text)
        build(copy, target)
        verdict = "caught" if right and caught else "NOT CAUGHT" if right else "FAIL: unbroken, too"
        print(f"{mutation.what}: {verdict} by {mutation.test}", flush=True)
        failed += not (right and caught)
    print(f"mutations: {len(MUTATIONS) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
