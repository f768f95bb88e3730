"""Which test decides which line of the checklist: writes docs/reference/checklist.rst.

A test decides a line if its docstring, or that of its class or file, quotes the line's
number: ``S66``, or a range such as ``S85-S90``. The lines are in
docs/reference/checklist.txt.
"""

import argparse
import ast
import collections
import pathlib
import re
import sys
import typing

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
LINES = CHECKOUT / "docs" / "reference" / "checklist.txt"
PAGE = CHECKOUT / "docs" / "reference" / "checklist.rst"

_QUOTED = re.compile(r"\bS(\d+)(?:\s*[-\u2013]\s*S(\d+))?\b")
_HEAD = """\
.. Written by tools/checklist.py from docs/reference/checklist.txt and the docstrings of
   the tests. Do not edit.

Checklist of block storage
==========================

What each line of the specification of block devices asks for, and the tests that
decide it. A test quotes the numbers it decides in its docstring, or its class or file
does. "Now" marks where OpenStack has changed since the text that the line is from.

.. list-table::
   :header-rows: 1
   :widths: 8 42 50

   * - Line
     - What must hold
     - Decided by
"""


def numbers_in(text: str) -> set[int]:
    """The line numbers that a docstring quotes."""
    found: set[int] = set()
    for match in _QUOTED.finditer(text):
        first = int(match[1])
        found.update(range(first, int(match[2] or first) + 1))
    return found


def tests_by_line() -> dict[int, list[str]]:
    """Line number -> ``path::test``, ``path::Class``, or ``path`` for a whole file, of
    what decides it."""
    deciders: dict[int, list[str]] = collections.defaultdict(list)
    for path in sorted((CHECKOUT / "tests").rglob("test_*.py")):
        name = str(path.relative_to(CHECKOUT))
        module = ast.parse(path.read_text())
        for number in numbers_in(ast.get_docstring(module) or ""):
            deciders[number].append(name)
        for node in ast.walk(module):
            if _is_test(node):
                for number in numbers_in(ast.get_docstring(node) or ""):
                    deciders[number].append(f"{name}::{node.name}")
    return {number: sorted(names) for number, names in deciders.items()}


def _is_test(node: ast.AST) -> typing.TypeGuard[ast.FunctionDef | ast.ClassDef]:
    """Whether pytest collects it: a function, or a class of them."""
    if isinstance(node, ast.FunctionDef):
        return node.name.startswith("test_")
    return isinstance(node, ast.ClassDef) and node.name.startswith("Test")


def lines() -> dict[int, str]:
    """Line number -> what must hold."""
    entries = (line.partition(" ") for line in LINES.read_text().splitlines() if line)
    return {int(number.removeprefix("S")): text for number, _, text in entries}


def page() -> str:
    """The whole page."""
    deciders = tests_by_line()
    rows = []
    for number, text in lines().items():
        names = [f"``{name}``" for name in deciders.get(number, [])] or ["*no test yet*"]
        rows += [f"   * - S{number}", f"     - {_escaped(text)}", f"     - | {names[0]}"]
        rows += [f"       | {name}" for name in names[1:]]
    return _HEAD + "\n".join(rows) + "\n"


def _escaped(text: str) -> str:
    """The same text for docutils, which lets no letter touch a literal."""
    pieces = text.split("``")
    for index in range(0, len(pieces), 2):
        escaped = re.sub(r"([|*<>])", r"\\\1", pieces[index])
        before = "\\ " if index and escaped[:1].strip() else ""
        after = "\\ " if index + 1 < len(pieces) and escaped[-1:].strip() else ""
        pieces[index] = before + escaped + after
    return "``".join(pieces)


def main() -> int:
    """Write the page, or with ``--check`` say whether it is up to date."""
    parser = argparse.ArgumentParser(prog="tools/checklist.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if it is stale")
    if not parser.parse_args().check:
        PAGE.write_text(page())
        return 0
    return int(PAGE.read_text() != page())


if __name__ == "__main__":
    sys.exit(main())
