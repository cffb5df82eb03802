#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes the initramfs of a guest that runs C tests: pack.py BUILD_DIR KERNEL_DIR BUSYBOX INITRAMFS SUITE...

It has the tests of a build directory that belong to one of these suites and are programs of ours, all linked with the shared
library, the libraries that they need, and those modules of the kernel that they use.
"""

import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

MODULES = ["crc32c_generic", "virtio_pci", "virtio_blk", "ext4", "fuse", "overlay"]

# How much longer than on this machine a test may take in a guest without hardware support.
LONGER = 10


def add_modules(kernel: Path, root: Path) -> None:
    """Each with all that it needs, in the order of loading."""
    files = {file.name.split(".ko")[0].replace("-", "_"): file for file in (kernel / "modules").rglob("*.ko*")}
    (root / "modules").mkdir()
    order: list[str] = []

    def add(name: str) -> None:
        # What is built into the kernel has no file.
        if name not in files or name in order:
            return
        module = files[name].read_bytes()
        match files[name].suffix:
            case ".xz":
                module = lzma.decompress(module)
            case ".zst":
                module = subprocess.run(["zstd", "-dqc"], input=module, capture_output=True, check=True).stdout
            case ".ko":
                pass
            case other:
                raise SystemExit(f"{files[name]}: modules that are packed as {other} are not known here")
        needs = re.search(rb"\0depends=([^\0]*)\0", module)
        for needed in needs[1].decode().split(",") if needs else []:
            add(needed.replace("-", "_"))
        (root / "modules" / name).write_bytes(module)
        order.append(name)

    for name in MODULES:
        add(name)
    (root / "modules" / "list").write_text("".join(f"{name}\n" for name in order))


def tests_of(build: Path, suites: set[str]) -> list[dict]:
    listed = json.loads(subprocess.run(["meson", "introspect", build, "--tests"], capture_output=True, check=True).stdout)
    return [test for test in listed if suites & {suite.split(":")[-1] for suite in test["suite"]} and len(test["cmd"]) == 1]


def add_tests(build: Path, root: Path, tests: list[dict], strip: str) -> None:
    if not tests:
        raise SystemExit("no test belongs to these suites")
    into = root / "tests"
    into.mkdir()
    lines = []
    for test in tests:
        # The same program, linked with the shared library.
        program = Path(test["cmd"][0])
        program = program.with_name(program.name.replace("-static-", "-shared-"))
        if not (into / program.name).exists():
            subprocess.run([strip, program, "-o", into / program.name], check=True)
        variables = " ".join(f"{name}={value}" for name, value in test["env"].items() if name not in ("UFFD_TEST_DATA", "UFFD_TEST_SNAPSHOT"))
        lines.append("\t".join([test["name"], str(test["timeout"] * LONGER), variables or "X=", program.name]))
    (into / "list").write_text("".join(f"{line}\n" for line in lines))
    subprocess.run([strip, build / "libuffd_incoming.so.0", "-o", into / "libuffd_incoming.so.0"], check=True)
    (into / "data").mkdir()
    environment = tests[0]["env"]
    for file in Path(environment["UFFD_TEST_DATA"]).iterdir():
        shutil.copy(file, into / "data")
    subprocess.run(["cp", "--sparse=always", environment["UFFD_TEST_SNAPSHOT"], into / "snapshot"], check=True)


def add_libraries(root: Path, compiler: list[str]) -> None:
    """Those of C, as the compiler finds them, where a program looks for them."""
    program = next((root / "tests").glob("*-shared-*"))
    shown = subprocess.run(["readelf", "-l", program], capture_output=True, text=True, check=True).stdout
    interpreter = re.search(r"interpreter: (\S+)\]", shown)[1]
    for name in [Path(interpreter).name, "libc.so.6", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libdl.so.2"]:
        found = subprocess.run([*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        if os.path.isabs(found):
            to = root / interpreter.lstrip("/") if name == Path(interpreter).name else root / "tests" / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, to)


def main() -> int:
    build, kernel, busybox, initramfs = (Path(argument).resolve() for argument in sys.argv[1:5])
    compiler = os.environ.get("CC", "cc").split()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        # Tests become other users, too.
        root.chmod(0o755)
        (root / "bin").mkdir()
        shutil.copy(busybox, root / "bin" / "busybox")
        shutil.copy(HERE / "init", root / "init")
        for directory in ["dev", "proc", "sys", "root"]:
            (root / directory).mkdir()
        add_modules(kernel, root)
        add_tests(build, root, tests_of(build, set(sys.argv[5:])), os.environ.get("STRIP", "strip"))
        add_libraries(root, compiler)
        with initramfs.open("wb") as output:
            files = subprocess.run(["find", ".", "-print0"], cwd=root, capture_output=True, check=True).stdout
            subprocess.run(["cpio", "--null", "--create", "--format=newc", "--owner=0:0", "--quiet"], cwd=root, input=files, stdout=output, check=True)
    return 0


sys.exit(main())
