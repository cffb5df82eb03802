# SPDX-License-Identifier: MIT OR Apache-2.0
"""A QEMU with the guest of make-guest in it: its command line, its QMP and its serial console."""

import collections
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time

# Unwind, and take QEMU along.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))

# What the guest prints after READY.
CHECK = re.compile(r"(check|copy) (\d+) (ok|BAD.*)")

# QEMU_ACCEL=kvm runs all guests under KVM.
ACCEL = os.environ.get("QEMU_ACCEL", "tcg,thread=multi")

Line = collections.namedtuple("Line", "time text")
Event = collections.namedtuple("Event", "time name data")


class VmError(Exception):
    pass


class VmSkipped(Exception):
    """The check needs what is not there."""


class VmEnded(VmError):
    pass


class VmTimeout(VmError):
    pass


def machine_arguments(guest_dir, memory, backend, append):
    # A backend named pc.ram makes the RAM block that -m alone makes: any backend can load any snapshot.
    backends = {
        "ram": "memory-backend-ram",
        "memfd": "memory-backend-memfd,share=on",
        "hugetlb": "memory-backend-memfd,share=on,hugetlb=on,hugetlbsize=2M",
    }
    return [
        "-nodefaults", "-no-user-config", "-display", "none",
        "-accel", ACCEL, "-smp", "2", "-m", memory,
        "-object", f"{backends[backend]},id=pc.ram,size={memory}",
        "-machine", "q35,memory-backend=pc.ram",
        "-kernel", os.path.join(guest_dir, "vmlinuz"),
        "-initrd", os.path.join(guest_dir, "initramfs.gz"),
        "-append", append,
    ]


class Vm:
    """Start with `with`: it does not outlive the block."""

    def __init__(self, binary, arguments, serial_head="", pass_fds=()):
        self._serial, serial = socket.socketpair()
        self._qmp, qmp = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()
        self._happenings = collections.deque()
        self._replies = {}
        self._sent = 0
        self._qmp_buffer = b""
        # The start of a line that the guest was in the middle of.
        self.serial_rest = serial_head
        # The number of the last whole check line that came, be it taken with next() or not.
        self.last_check = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._serial, selectors.EVENT_READ, self._read_serial)
        self._selector.register(self._qmp, selectors.EVENT_READ, self._read_qmp)
        self._process = subprocess.Popen(
            [binary, *arguments,
             "-chardev", f"socket,id=serial,fd={serial.fileno()}", "-serial", "chardev:serial",
             "-chardev", f"socket,id=qmp,fd={qmp.fileno()}", "-mon", "chardev=qmp,mode=control"],
            pass_fds=[serial.fileno(), qmp.fileno(), *pass_fds], stdin=subprocess.DEVNULL, stderr=self._stderr)
        serial.close()
        qmp.close()

    def __enter__(self):
        try:
            self.command("qmp_capabilities", enable=["oob"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kill()

    def _read_serial(self):
        data = self._serial.recv(65536)
        now = time.monotonic()
        *lines, self.serial_rest = (self.serial_rest + data.decode(errors="replace")).split("\n")
        for text in filter(None, map(str.strip, lines)):
            self._happenings.append(Line(now, text))
            match = CHECK.fullmatch(text)
            if match and match[1] == "check":
                self.last_check = int(match[2])
        return data

    def _read_qmp(self):
        data = self._qmp.recv(65536)
        now = time.monotonic()
        *messages, self._qmp_buffer = (self._qmp_buffer + data).split(b"\n")
        for message in map(json.loads, filter(None, messages)):
            if "event" in message:
                self._happenings.append(Event(now, message["event"], message.get("data", {})))
            elif "QMP" not in message:
                self._replies[message.get("id")] = message
        return data

    def _read(self, timeout):
        for key, _ in self._selector.select(max(timeout, 0)):
            try:
                open_end = key.data()
            except ConnectionResetError:
                open_end = b""
            if not open_end:
                self._selector.unregister(key.fileobj)
        if not self._selector.get_map():
            raise VmEnded(f"QEMU ended with {self._process.wait()}: {self.stderr() or 'no word why'}")

    def stderr(self):
        # Not through our offset: it is QEMU's as well.
        return os.pread(self._stderr.fileno(), 1 << 20, 0).decode(errors="replace").strip()

    def send(self, command, oob=False, **arguments):
        """Sends a QMP command, and does not wait for its reply."""
        self._sent += 1
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        request = {"exec-oob" if oob else "execute": command, "arguments": arguments, "id": self._sent}
        try:
            self._qmp.sendall(json.dumps(request).encode())
        except BrokenPipeError:
            pass  # _read() tells why.
        return self._sent

    def command(self, command, timeout=120, oob=False, **arguments):
        """A QMP command; what it returned. Out of band, it does not need QEMU's main thread."""
        return self.reply(self.send(command, oob, **arguments), command, timeout)

    def reply(self, number, command, timeout=120):
        """What a command that was sent has returned."""
        deadline = time.monotonic() + timeout
        while number not in self._replies:
            left = deadline - time.monotonic()
            if left <= 0:
                raise VmError(f"{command}: no reply within {timeout} s")
            self._read(left)
        reply = self._replies.pop(number)
        if "error" in reply:
            raise VmError(f"{command}: {reply['error']['desc']}")
        return reply["return"]

    def next(self, deadline):
        """The next line or event; None when the deadline has come first."""
        while not self._happenings:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._read(left)
        return self._happenings.popleft()

    def kill(self):
        self._process.kill()
        self._process.wait()

    def quit(self):
        """Ends QEMU, and reads all that the guest had said."""
        self.send("quit")
        self.await_end(60)

    def signal(self, number):
        self._process.send_signal(number)

    def await_end(self, timeout):
        """QEMU has been told to end: reads all that there is until it has."""
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                self._read(deadline - time.monotonic())
        except VmEnded:
            return
        raise VmError(f"QEMU still runs after {timeout} s")

    @property
    def pid(self):
        return self._process.pid

    def say(self, line):
        """Types a line on the guest's serial console."""
        self._serial.sendall(line.encode() + b"\n")

    def monitor(self, line):
        """A command of the human monitor; what it answered."""
        return self.command("human-monitor-command", command_line=line).strip()

    def set_capabilities(self, **states):
        self.command("migrate-set-capabilities", capabilities=[
            {"capability": name.replace("_", "-"), "state": state} for name, state in states.items()])

    def enable_mapped_ram(self, multifd, lazy=False, direct_io=False):
        capabilities = {"events": True, "mapped_ram": True, "multifd": multifd, "postcopy_ram": lazy}
        self.set_capabilities(**{name: state for name, state in capabilities.items() if state})
        if direct_io:
            self.command("migrate-set-parameters", direct_io=True)

    def follow(self, until, timeout):
        """Takes lines and events until one is what was awaited, or fails; every check on the way has to be good. How many there were."""
        deadline = time.monotonic() + timeout
        good = 0
        while happening := self.next(deadline):
            good += self._good_check(happening)
            if until(happening, good):
                return good
        raise VmTimeout(f"what was awaited has not come within {timeout} s")

    def watch(self, seconds):
        """Takes what comes for a while; every check has to be good. How many there were."""
        end = time.monotonic() + seconds
        good = 0
        while happening := self.next(end):
            good += self._good_check(happening)
        return good

    @staticmethod
    def _good_check(happening):
        if not isinstance(happening, Line):
            return False
        match = CHECK.fullmatch(happening.text)
        if match and match[3] != "ok":
            raise VmError(f"the guest says: {happening.text}")
        return bool(match)


def migration_is(status):
    """For follow(): the migration has come to this status."""
    return lambda happening, _: (isinstance(happening, Event) and happening.name == "MIGRATION"
                                 and happening.data["status"] == status)
