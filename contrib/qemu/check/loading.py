# SPDX-License-Identifier: MIT OR Apache-2.0
"""For checks of what happens while a snapshot is loaded: storage that is slow or fails, a guest with devices, its snapshot."""

import contextlib
import os
import shutil
import subprocess
import sys
import time

from vm import Event, Line, Vm, VmError, VmSkipped, machine_arguments, migration_is

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(HERE, "../../../c-tests")


def resumed(happening, _):
    return isinstance(happening, Event) and happening.name == "RESUME"


def event_is(name, **data):
    """For follow(): an event, with these among its data."""
    return lambda happening, _: (isinstance(happening, Event) and happening.name == name
                                 and all(happening.data.get(key) == value for key, value in data.items()))


def says(text):
    """For follow(): a line of the guest."""
    return lambda happening, _: isinstance(happening, Line) and happening.text == text


def build(work_dir, name, *arguments):
    """Compiles a C file of this directory."""
    program = os.path.join(work_dir, name)
    source = os.path.join(HERE, name.removesuffix(".so") + ".c")
    subprocess.run(["cc", "-O1", "-Wall", "-Wextra", *arguments, "-o", program, source], check=True)
    return program


class SlowFile:
    """A file as slow-file.c shows it. For `with`."""

    def __init__(self, work_dir, path):
        self._program = build(work_dir, "slow-file", "-pthread", f"-I{TESTS}/lib")
        self._original = path
        self.path = os.path.join(work_dir, "slow")

    def __enter__(self):
        with open(self.path, "wb"):
            pass
        self._process = subprocess.Popen([self._program, self._original, self.path], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self._await_ok()
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        if self._process.wait():
            subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL, check=False)
        os.remove(self.path)

    def _await_ok(self):
        if self._process.stdout.readline() != "ok\n":
            raise VmError("slow-file has failed")

    def _order(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        self._await_ok()

    def slow(self, microseconds):
        self._order(f"slow {microseconds}")

    def fail(self, start, end=1 << 62):
        self._order(f"fail {start} {end}")

    def hang(self, start, end=1 << 62):
        self._order(f"hang {start} {end}")

    def well(self):
        self._order("well")


def save(vm, path, **capabilities):
    """Saves a VM with mapped-ram, and ends it."""
    vm.set_capabilities(events=True, mapped_ram=True, **capabilities)
    vm.command("migrate-set-parameters", max_bandwidth=0)
    vm.command("migrate", uri=f"file:{path}")
    vm.follow(migration_ended, 300)
    status = vm.command("query-migrate")
    if status["status"] != "completed":
        raise VmError(f"saving: {status.get('error-desc', status['status'])}")
    rest = vm.serial_rest
    vm.quit()
    return rest


def migration_ended(happening, _):
    return (isinstance(happening, Event) and happening.name == "MIGRATION"
            and happening.data["status"] in ("completed", "failed"))


class Restored:
    """A VM that loads a snapshot lazily, from storage that does as it is told. For `with`."""

    def __init__(self, qemu, arguments, work_dir, snapshot, serial_rest=""):
        self._start = lambda: Vm(qemu, [*arguments, "-incoming", "defer"], serial_head=serial_rest)
        self._slow = SlowFile(work_dir, snapshot)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.storage = stack.enter_context(self._slow)
            self.vm = stack.enter_context(self._start())
            self.vm.set_capabilities(events=True, mapped_ram=True)
            self.vm.set_capabilities(postcopy_ram=True)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *what):
        if what[1] and self.vm.stderr():
            what[1].add_note(self.vm.stderr())
        # A thread that waits for the storage would keep QEMU from ending.
        with contextlib.suppress(OSError, VmError):
            self.storage.well()
        return self._stack.__exit__(*what)

    def load(self):
        """Starts the load; does not wait for the guest."""
        self.vm.command("migrate-incoming", uri=f"file:{self.storage.path}", exit_on_error=False)

    def run(self, slow_us=4000, stopped=False):
        """The guest runs, its RAM comes slowly. It was saved while it ran, or was stopped."""
        self.load()
        self.vm.follow(migration_is("postcopy-active") if stopped else resumed, 60)
        if stopped:
            self.vm.command("cont")
        self.storage.slow(slow_us)
        self.expect("postcopy-active")

    def fail(self):
        """The guest runs; what of its RAM has not come cannot be read: waits for the pause."""
        self.load()
        self.vm.follow(resumed, 60)
        self.storage.fail(8 << 20)
        self.vm.follow(migration_is("postcopy-paused"), 60)

    def expect(self, status):
        info = self.vm.command("query-migrate")
        if info["status"] != status:
            raise VmError(f"the migration is {info['status']} ({info.get('error-desc')}), not {status}")
        return info

    def complete(self, good=3):
        """The rest of its RAM comes; the guest has to go on as if nothing had been."""
        self.storage.well()
        # It may be complete already.
        deadline = time.monotonic() + 120
        while (self.vm.command("query-migrate")["status"] in ("active", "postcopy-active")
               and time.monotonic() < deadline):
            self.vm.watch(0.1)
        self.expect("completed")
        if good:
            self.vm.follow(lambda _, seen: seen >= good, 60)


def refused(vm, reason, command, **arguments):
    """A command that has to fail, with these words."""
    try:
        vm.command(command, **arguments)
    except VmError as error:
        if reason not in str(error):
            raise VmError(f"refused for another reason than '{reason}': {error}") from error
        return str(error)
    raise VmError(f"{command} was not refused")


def copied(path, work_dir, name):
    copy = os.path.join(work_dir, name)
    shutil.copyfile(path, copy)
    return copy



def run_cases(cases, names, bench):
    """Runs functions whose docstrings are rows of a Markdown table; True if one has failed."""
    failed = False
    print("| action | result | |\n|---|---|---|")
    for name in names or cases:
        start = time.monotonic()
        outcome = "ok"
        try:
            cases[name](bench)
        except VmSkipped as reason:
            outcome = f"skipped: {reason}"
        except (VmError, OSError, KeyError, subprocess.SubprocessError) as error:
            failed, outcome = True, "FAILED"
            print(f"{name}: {type(error).__name__}: {error}", *getattr(error, "__notes__", []), sep="\n    ", file=sys.stderr)
        print(f"| {cases[name].__doc__} | {outcome} |", flush=True)
        print(f"{name}: {outcome} after {time.monotonic() - start:.0f} s", file=sys.stderr)
    return failed
