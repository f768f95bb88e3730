"""docs/reference/checklist.rst tells which test decides which line."""

import pathlib
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tools"))

import checklist  # noqa: E402  (a tool, not a package)


def test_the_page_is_up_to_date() -> None:
    assert checklist.PAGE.read_text() == checklist.page(), "run tools/checklist.py"


def test_every_line_is_there() -> None:
    of_migration = {27}
    assert list(checklist.lines()) == [
        *(number for number in range(1, 111) if number not in of_migration),
        *range(176, 222),
    ]


def test_every_line_is_decided_by_a_test() -> None:
    undecided = set(checklist.lines()) - set(checklist.tests_by_line())
    assert not undecided, f"no test quotes S{sorted(undecided)}"


@pytest.mark.parametrize(
    ("docstring", "numbers"),
    [
        ("S66, S187: one create.", {66, 187}),
        ("Base files (S103-S105).", {103, 104, 105}),
        ("S63\u2013S65", {63, 64, 65}),
        ("RULES B2, CVE-2024-32498, OS30, S3", {3}),
    ],
)
def test_what_a_docstring_quotes(docstring: str, numbers: set[int]) -> None:
    assert checklist.numbers_in(docstring) == numbers


def test_the_advice_on_ephemeral_disks_is_given() -> None:
    """S81: docs only."""
    page = (CHECKOUT / "docs" / "howto" / "local-disks.rst").read_text()
    assert "Ask for ephemeral disks and swap by the flavor" in page
