# SPDX-License-Identifier: GPL-2.0-or-later
"""A file of a QEMU tree, edited in memory by the names of functions and by short anchors."""

import difflib
import re

INCLUDE = '#include "uffd-incoming-glue.h"\n'


class NotUnderstood(Exception):
    """Something that an edit needs is not in the tree."""


class Source:
    def __init__(self, tree, name):
        self.name = name
        self.path = tree / name
        try:
            self.raw = self.path.read_bytes()
        except OSError as error:
            raise NotUnderstood(f"{name}: {error.strerror}") from error
        # Any bytes come back as they were.
        self.before = self.text = self.raw.decode("utf-8", "surrogateescape")
        if "\r" in self.text:
            self.fail("it has carriage returns: the edits are for lines that end with line feeds only")
        if not self.text.endswith("\n"):
            self.fail("its last line has no end")

    def contents(self):
        return self.text.encode("utf-8", "surrogateescape")

    def fail(self, what, nearest=""):
        raise NotUnderstood(f"{self.name}: {what}{f' (nearest: {nearest})' if nearest else ''}")

    def is_edited(self):
        return "uffd_glue_" in self.text or INCLUDE in self.text or "uffd-incoming" in self.text

    def nearest(self, anchor, start, end):
        """Returns the line most like the anchor, for the error message."""
        lines = self.text[start:end].splitlines()
        like = difflib.get_close_matches(anchor.strip(), [line.strip() for line in lines], 1, 0.5)
        if not like:
            return ""
        first = self.text.count("\n", 0, start) + 1
        number = next(first + index for index, line in enumerate(lines) if line.strip() == like[0])
        return f"line {number}: {like[0]}"

    def find(self, anchor, start=0, end=None, where=""):
        """Returns the offset of the anchor, which must occur exactly once."""
        end = len(self.text) if end is None else end
        at = self.text.find(anchor, start, end)
        if at < 0:
            self.fail(f"'{anchor}' is not there{where}", self.nearest(anchor, start, end))
        if self.text.find(anchor, at + 1, end) >= 0:
            self.fail(f"'{anchor}' is there more than once{where}")
        return at

    def has_function(self, name):
        return self.head_of(name) is not None

    def head_of(self, name):
        return re.search(rf"^(?:[A-Za-z_][\w \t*]*[ *\n])?{name}\([^;{{]*\)[\n ]\{{\n", self.text, re.MULTILINE)

    def function(self, name):
        """Returns the span of a function's definition, of the first one if there are several."""
        head = self.head_of(name)
        if not head:
            names = re.findall(r"^(?:[A-Za-z_][\w \t*]*[ *])?(\w+)\([^;{]*\)[\n ]\{\n", self.text, re.MULTILINE)
            like = difflib.get_close_matches(name, names, 1, 0.6)
            self.fail(f"the function {name}() is not there", f"{like[0]}()" if like else "")
        tail = self.text.find("\n}\n", head.end() - 1)
        if tail < 0:
            self.fail(f"the function {name}() has no end")
        return head.start(), tail + len("\n}\n")

    def inside(self, function, anchor):
        return self.find(anchor, *self.function(function), f" in {function}()")

    def cut(self, start, end):
        self.text = self.text[:start] + self.text[end:]

    def put(self, at, text):
        self.text = self.text[:at] + text + self.text[at:]

    def line_of(self, at):
        return self.text.rfind("\n", 0, at) + 1

    def next_line(self, at):
        return self.text.index("\n", at) + 1

    def with_comment(self, start):
        """Returns where the comment right above `start` begins, or `start` if there is none."""
        if not self.text.endswith("*/\n", 0, start):
            return start
        at = self.text.rfind("/*", 0, start)
        # A comment behind code belongs to that.
        return at if at >= 0 and self.line_of(at) == at else start

    # The edits.

    def at_start(self, function, lines):
        """Inserts lines after the declarations of a function, which an empty line ends."""
        start, end = self.function(function)
        at = self.text.find("\n\n", start, end)
        if at < 0:
            self.fail(f"the declarations of {function}() have no end")
        self.put(at + 2, lines)

    def remove_function(self, name):
        """Removes a function and the comment right above it."""
        start, end = self.function(name)
        start = self.with_comment(start)
        if self.text.endswith("\n\n", 0, start) and self.text.startswith("\n", end):
            end += 1
        self.cut(start, end)

    def remove_block(self, start_anchor, end_anchor):
        """Removes the lines from one anchor to the next occurrence of the other, and the comment right above."""
        start = self.line_of(self.find(start_anchor))
        end = self.text.find(end_anchor, start)
        if end < 0:
            self.fail(f"'{end_anchor}' is not there behind '{start_anchor}'")
        self.cut(self.with_comment(start), self.next_line(end))

    def remove_declaration(self, start):
        """Removes a declaration that begins like this, if there is one, and the comment right above it."""
        if found := re.search(rf"^{start}[^;]*;[^\n]*\n", self.text, re.MULTILINE):
            self.cut(self.with_comment(found.start()), found.end())

    def lacks(self, pattern):
        """Refuses a file that has something in its code which the edits do not know."""
        code = re.sub(r"/\*.*?\*/", lambda comment: re.sub(r"[^\n]", " ", comment[0]), self.text, flags=re.DOTALL)
        if found := re.search(pattern, code):
            self.fail(f"line {code.count(chr(10), 0, found.start()) + 1} has {found[0]}, which the edits do not expect")

    def remove_if(self, function, condition):
        """Removes a braced `if` statement."""
        start = self.line_of(self.inside(function, condition))
        indent = re.match(r" *", self.text[start:]).group()
        end = self.text.find(f"\n{indent}}}\n", start)
        if end < 0:
            self.fail(f"'{condition}' in {function}() has no end")
        self.cut(start, end + len(f"\n{indent}}}\n"))

    def remove_line(self, function, anchor):
        at = self.inside(function, anchor)
        self.cut(self.line_of(at), self.next_line(at))

    def before_line(self, function, anchor, lines):
        self.put(self.line_of(self.inside(function, anchor)), lines)

    def after_line(self, function, anchor, lines):
        self.put(self.next_line(self.inside(function, anchor)), lines)

    def replace(self, function, anchor, text):
        at = self.inside(function, anchor)
        self.text = self.text[:at] + text + self.text[at + len(anchor):]

    def condition_of(self, statement, old, new):
        """Changes the condition of the `if` right before a statement."""
        at = self.find(statement)
        start = self.text.rfind("if (", 0, at)
        end = self.text.find("{", start)
        condition = self.text[start:end]
        if old not in condition:
            self.fail(f"the condition of '{statement}' is not understood")
        self.text = self.text[:start] + condition.replace(old, new) + self.text[end:]

    def include(self, after, directory=""):
        self.put(self.next_line(self.find(f'#include "{after}"\n')), INCLUDE.replace('"', f'"{directory}', 1))
