#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs the stages of `make test` or of `make check`, and prints what each took: stages.py test|check BUILD_DIR

Stages in one group run side by side, as lanes; the stages of a lane run one after the other. A group begins when the one before has
ended. What a stage prints goes to BUILD_DIR/logs, and to the terminal if the stage fails. After a failure no group begins.
"""

import glob
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# C tests wait a lot: two of them for each CPU.
MANY_TESTS = f"MESON_TESTTHREADS={(os.cpu_count() or 1) * 2}"

# The tests that were built to be linted.
LINTED = f"RUSTC_WORKSPACE_WRAPPER={shlex.quote(str(ROOT))}/scripts/rustc-clippy.sh"
INJECTED = "--locked --features fault-injection"
WITH_CRATES = "--locked --features log,vm-memory,vm-memory/backend-mmap"


class Stage(NamedTuple):
    name: str
    commands: list[str]
    # Fails if the compiler warns of anything.
    refuses_warnings: bool = False


class Result(NamedTuple):
    stage: Stage
    seconds: float
    cpu_seconds: float
    passed: bool
    summary: str


def stages_of_test(build: str) -> list[list[list[Stage]]]:
    sweep = Stage("failing system calls", [f"{LINTED} cargo test {INJECTED} --test sweep"])
    models = Stage("models", ["scripts/models.sh"])
    asan = Stage("build with sanitizers", ["scripts/check-sanitizers.sh build-quick"])
    # The tests of the C suites look at times: nothing else runs then.
    suites = Stage("C suites", [f"{MANY_TESTS} scripts/with-huge-pages.sh 64 scripts/meson-test.sh {build}"])
    sanitizers = Stage("sanitizers, a choice", ["scripts/check-sanitizers.sh quick"])
    mutations = Stage("mutations", [f"scripts/mutations.py {build}"])
    building = [stages_of_sources(), [compile_c(build), asan]]
    return [building, [[suites]], [[mutations], [sanitizers, sweep, models]]]


def stages_of_check(build: str) -> list[list[list[Stage]]]:
    kvm = Stage("example of a VMM", [f"{LINTED} scripts/examples.sh kvm"])
    doc = Stage(
        "documentation",
        [
            f"RUSTDOCFLAGS='-D warnings' cargo doc {WITH_CRATES} --no-deps --document-private-items",
            f"cargo test {WITH_CRATES} --doc",
        ],
    )
    features = Stage("optional features", [f"{LINTED} cargo test {WITH_CRATES} --lib -- guest_memory messages_go"])
    suites = Stage(
        "C suites, shared library",
        [f"{MANY_TESTS} scripts/with-huge-pages.sh 64 scripts/meson-test.sh {build} --suite shared --no-suite stress"],
    )
    return [[[*stages_of_sources(), kvm, features, doc], [compile_c(build), suites]]]


def stages_of_sources() -> list[Stage]:
    return [
        Stage("checks of the sources", checks_of_sources()),
        Stage("formatting, lints", ["scripts/lint.sh"]),
        Stage("unit tests", [f"{LINTED} cargo test --locked --lib", f"{LINTED} cargo test {INJECTED} --test incoming"]),
        Stage("examples in Rust", [f"{LINTED} scripts/examples.sh"]),
        Stage("command", [f"{LINTED} cargo test --locked -p uffd-incoming-cli"]),
    ]


def compile_c(build: str) -> Stage:
    # The tests are linted with more than the library has: what nothing but them calls is warned of here.
    return Stage("release build, C build", [f"make --no-print-directory all BUILD={build}"], refuses_warnings=True)


def checks_of_sources() -> list[str]:
    return sorted(os.path.relpath(script, ROOT) for script in glob.glob(str(ROOT / "scripts" / "check-*.py")))


def summary_of(log: Path) -> str:
    """How many tests passed and failed, by cargo's lines or by the last line of another program that says so."""
    text = log.read_text(errors="replace")
    by_cargo = re.findall(r"^test result: .* (\d+) passed; (\d+) failed", text, re.M)
    if by_cargo:
        return f"{sum(int(passed) for passed, _ in by_cargo)} passed, {sum(int(failed) for _, failed in by_cargo)} failed"
    others = [line.strip() for line in text.splitlines() if re.search(r"\d+ passed", line)]
    return others[-1] if others else ""


def run(stage: Stage, logs: Path) -> Result:
    log = logs / (stage.name.replace(",", "").replace(" ", "-") + ".log")
    began = time.monotonic()
    passed, cpu_seconds = True, 0.0
    with log.open("w") as output:
        for command in stage.commands:
            process = subprocess.Popen(command, shell=True, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            passed &= process.returncode == 0
            cpu_seconds += usage.ru_utime + usage.ru_stime
    if stage.refuses_warnings:
        passed &= re.search(r"^warning: ", log.read_text(errors="replace"), re.M) is None
    result = Result(stage, time.monotonic() - began, cpu_seconds, passed, summary_of(log))
    if not passed:
        print(log.read_text(errors="replace"), end="")
    print(f"{stage.name}: {'passed' if passed else 'FAILED'}, {result.seconds:.0f} s", flush=True)
    return result


def run_group(lanes: list[list[Stage]], logs: Path) -> list[Result]:
    results: list[list[Result]] = [[] for _ in lanes]

    def run_lane(lane: int) -> None:
        for stage in lanes[lane]:
            results[lane].append(run(stage, logs))

    threads = [threading.Thread(target=run_lane, args=(lane,)) for lane in range(len(lanes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [result for lane in results for result in lane]


def main() -> int:
    what, build = sys.argv[1:]
    groups = {"test": stages_of_test, "check": stages_of_check}[what](build)
    logs = ROOT / build / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    results: list[Result] = []
    for lanes in groups:
        results += run_group(lanes, logs)
        if not all(result.passed for result in results):
            break

    width = max(len(result.stage.name) for result in results)
    print(f"\n{'':{width}}   time    CPU")
    for result in results:
        numbers = f"{result.seconds:5.0f} s {result.cpu_seconds:4.0f} s"
        print(f"{result.stage.name:{width}} {numbers}  {'' if result.passed else 'FAILED  '}{result.summary}".rstrip())
    cpu_seconds = sum(result.cpu_seconds for result in results)
    print(f"{'all':{width}} {time.monotonic() - began:5.0f} s {cpu_seconds:4.0f} s")
    stages = sum(len(lane) for lanes in groups for lane in lanes)
    if len(results) < stages:
        print(f"{stages - len(results)} stages did not run")
    return not all(result.passed for result in results)


sys.exit(main())
