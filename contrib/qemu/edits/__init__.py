# SPDX-License-Identifier: GPL-2.0-or-later
"""The edits that make a QEMU tree use uffd-incoming: what is common, and what a version has of its own."""

from .qemu_10_0 import Qemu100
from .qemu_10_2 import Qemu102

VERSIONS = {"10.0": Qemu100, "10.2": Qemu102}
