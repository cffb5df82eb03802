#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes man pages of the header's comments: man.py HEADER VERSION DIRECTORY, or man.py --list HEADER for the pages' names.

Section 3 has a page for each function, struct and callback type, section 7 one for the terms and conventions.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

LIBRARY = "uffd-incoming"
# A comment at the start of a line, and what it is about.
ITEM = re.compile(r"^/\*\*\n(.*?)^ \*/\n(.*?(?:;\n(?=\n|#|$)|^\} \w+;\n|^#define [^\n]*\n))", re.M | re.S)
FIELD = re.compile(r"^    /\*\*\n(.*?)^     \*/\n(.*?;)\n", re.M | re.S)
FUNCTION = re.compile(r"^[a-z][\w ]*[ *](\w+)\(", re.S)


class Item(NamedTuple):
    """Something that the header describes."""

    name: str
    text: list[str]
    code: str

    @property
    def is_constant(self) -> bool:
        return self.code.startswith("#define")

    @property
    def is_function(self) -> bool:
        return FUNCTION.match(self.code) is not None and not self.code.startswith("typedef")


def lines_of(comment: str, margin: str) -> list[str]:
    return [re.sub(rf"^{margin}\* ?", "", line) for line in comment.splitlines()]


def items_of(header: str) -> list[Item]:
    items = []
    for comment, code in ITEM.findall(header):
        code = code.rstrip()
        if code.startswith("#define"):
            name = code.split()[1]
        elif code.startswith("typedef"):
            callback = re.match(r"typedef [^{]*?\(\*(\w+)\)\(", code)
            name = callback[1] if callback else re.findall(r"(\w+);$", code)[0]
        else:
            name = FUNCTION.match(code)[1]
        items.append(Item(name, lines_of(comment, " "), code))
    return items


def owner_of(constant: Item) -> tuple[str, list[str]]:
    """The page that a constant belongs to, and its text without that: it says so first."""
    first = constant.text[0]
    for pattern, owner in [(r"(\w+)\.\w+: ", None), (r"`(?:event|log)`: ", "UffdIncomingConfig")]:
        if found := re.match(pattern, first):
            rest = first[found.end() :]
            return owner or found[1], [rest[:1].upper() + rest[1:], *constant.text[1:]]
    raise SystemExit(f"{constant.name}: its comment does not say which field it is for")


def roff(text: str) -> str:
    text = text.replace("\\", "\\e")
    text = re.sub(r"`([^`]*)`", r"\\fI\1\\fR", text)
    text = re.sub(r"\b(\w+)\(\)", r"\\fB\1\\fR()", text)
    text = re.sub(r"(?<![\w-])-(?=[A-Z0-9])", r"\\-", text)
    return "\\&" + text if text[:1] in (".", "'") else text


def paragraphs(lines: list[str], indented: bool = False) -> list[str]:
    """Paragraphs and lists; `indented`: below a heading of their own."""
    out, fresh, listed = [], False, False
    for line in lines:
        item = re.match(r" ?- (.*)", line)
        if not line.strip():
            fresh = True
            continue
        if item:
            out += [".IP \\(bu 2", roff(item[1])]
            listed = True
        else:
            if fresh and out:
                out.append(".IP" if indented else ".PP")
            elif listed and not line.startswith(" "):
                out.append(".PP")
            listed = listed and line.startswith(" ")
            out.append(roff(line.strip()))
        fresh = False
    return out


def sections(text: list[str]) -> list[str]:
    heading = next((at for at, line in enumerate(text) if re.fullmatch(r"Errors:|errno on failure.*:", line)), None)
    out = [".SH DESCRIPTION", *paragraphs(text[:heading])]
    if heading is not None:
        out += [".SH ERRORS", *paragraphs(text[heading + 1 :])]
    return out


def summary(text: list[str]) -> str:
    """The first part of the first sentence, for lists of pages."""
    whole = " ".join(line.strip() for line in text)
    first = re.split(r"[.:;,(](?:\s|$)| \(", re.sub(r"^For [^:]*: ", "", whole))[0].replace("`", "")
    return first[:1].lower() + first[1:]


def head(name: str, section: int, version: str, what: str) -> list[str]:
    return [
        '.\\" Made of uffd-incoming.h.',
        f'.TH {name} {section} "" "{LIBRARY} {version}"',
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{name} \\- {what}",
    ]


def synopsis(code: str) -> list[str]:
    return [".SH SYNOPSIS", ".nf", "#include <uffd-incoming.h>", "", *code.replace("\\", "\\e").splitlines(), ".fi"]


def see_also(item: Item, names: set[str]) -> list[str]:
    mentioned = sorted((set(re.findall(r"\w+", item.code + " ".join(item.text))) & names) - {item.name})
    return [".SH SEE ALSO", *(f".BR {name} (3)," for name in mentioned), f".BR {LIBRARY} (7)"]


def without_comments(code: str) -> str:
    return re.sub(r"^    /\*\*\n.*?^     \*/\n", "", code, flags=re.M | re.S)


def fields_of(item: Item) -> list[str]:
    out = []
    for comment, declaration in FIELD.findall(item.code):
        one_line = re.sub(r"\s+", " ", declaration).strip()
        out += [".TP", f".B {one_line}", *paragraphs(lines_of(comment, "     "), indented=True)]
    return [".SH FIELDS", *out] if out else []


def constants_of(item: Item, constants: list[Item]) -> list[str]:
    own = [(constant, text) for constant in constants for owner, text in [owner_of(constant)] if owner == item.name]
    out = [line for constant, text in own for line in (".TP", f".B {constant.name}", *paragraphs(text, indented=True))]
    return [".SH CONSTANTS", *out] if out else []


def page_of(item: Item, items: list[Item], version: str) -> list[str]:
    names = {other.name for other in items if has_page(other)}
    return [
        *head(item.name, 3, version, summary(item.text)),
        *synopsis(without_comments(item.code)),
        *sections(item.text),
        *fields_of(item),
        *constants_of(item, [other for other in items if other.is_constant]),
        *see_also(item, names),
    ]


def overview(header: str, items: list[Item], version: str) -> list[str]:
    comment = lines_of(re.search(r"^/\*\n \* uffd-incoming\.h.*?(?=^ \*/)", header, re.M | re.S)[0], " ")[1:]
    title, text = comment[0].split(" - ")[1].rstrip("."), comment[1:]
    parts = {"DESCRIPTION": []}
    for line in text:
        if found := re.match(r"(Terms|Conventions)(.*):$", line):
            parts[found[1].upper()] = [f"This holds{found[2].replace(',', '', 1)}:", ""] if found[2] else []
            current = found[1].upper()
        elif not re.match(r"Generated from|documented", line):
            parts[current if len(parts) > 1 else "DESCRIPTION"].append(line)
    out = head(LIBRARY, 7, version, roff(title))
    for name, lines in parts.items():
        out += [f".SH {name}", *paragraphs(lines)]
    functions = [item for item in items if item.is_function]
    out.append(".SH FUNCTIONS")
    for function in functions:
        out += [".TP", f".BR {function.name} (3)", summary(function.text)]
    return out


def has_page(item: Item) -> bool:
    return not item.is_constant and ("{" in item.code or "(" in item.code)


def main() -> int:
    listing = sys.argv[1] == "--list"
    header = Path(sys.argv[2 if listing else 1]).read_text()
    items = items_of(header)
    pages = [item for item in items if has_page(item)]
    if listing:
        print("\n".join([f"{LIBRARY}.7", *(f"{item.name}.3" for item in pages)]))
        return 0
    version, directory = sys.argv[2], Path(sys.argv[3])
    (directory / f"{LIBRARY}.7").write_text("\n".join(overview(header, items, version)) + "\n")
    for item in pages:
        (directory / f"{item.name}.3").write_text("\n".join(page_of(item, items, version)) + "\n")
    return 0


sys.exit(main())
