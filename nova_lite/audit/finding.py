"""What an audit finds, and the kinds of it."""

import collections.abc
import dataclasses
import enum
import typing

from nova_lite.audit import facts

Subject: typing.TypeAlias = typing.Literal[
    "server", "host", "volume", "attachment", "device", "node", "operation"
]


class Severity(enum.StrEnum):
    """How bad it is."""

    CRITICAL = "critical"
    """Data may be lost at any moment."""
    ERROR = "error"
    """Somebody cannot use what is theirs, or something will fail."""
    WARNING = "warning"
    """Something is used up for nothing, or shown wrongly."""
    NOTE = "note"
    """Worth a look; may be wanted, so it counts as nothing wrong."""


ORDER = tuple(Severity)


@dataclasses.dataclass(frozen=True)
class Finding:
    """Two sources disagree about one thing."""

    kind: str
    says: str
    """What each of them says: a sentence."""
    subjects: tuple[tuple[Subject, str], ...]
    """What it is about, by id."""
    evidence: tuple[object, ...] = ()
    """Beside the ids, what makes it the same finding at a second look."""
    is_repairable: bool = True
    """False if this one is an exception of a kind that can be repaired."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for the same finding of two looks."""
        return (self.kind, self.subjects, self.evidence)

    def subject(self, name: Subject) -> str | None:
        """The id of that kind, if it has one."""
        return dict(self.subjects).get(name)


Finder: typing.TypeAlias = collections.abc.Callable[
    [facts.Facts], collections.abc.Iterator[Finding]
]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way in which sources disagree. The texts are for operators and go into
    the reference as they are."""

    id: str
    severity: Severity
    title: str
    consequence: str
    """What happens if it stays."""
    advice: str
    """What to do about it, with the command; ``{server}`` and so on are filled in."""
    repair: str | None
    """What ``--repair`` does; None if it does nothing by itself."""
    find: Finder = dataclasses.field(compare=False, repr=False)

    def advice_for(self, finding: Finding) -> str:
        """The advice with the finding's ids in it."""
        return self.advice.format_map(_Ids(finding.subjects))


class _Ids(dict[str, str]):
    """Ids by name; one that a finding has not is shown as a placeholder."""

    def __missing__(self, name: str) -> str:
        return name.upper()


KINDS: dict[str, Kind] = {}
"""Every kind by its id, in the order of the reference. Filled by
:mod:`nova_lite.audit.kinds`."""

Yields: typing.TypeAlias = collections.abc.Iterator[Finding]


def kind(
    id: str,
    severity: Severity,
    title: str,
    *,
    consequence: str,
    advice: str,
    repair: str | None = None,
) -> collections.abc.Callable[[Finder], Finder]:
    """Declare the function below it as the finder of a kind."""

    def declare(find: Finder) -> Finder:
        if id in KINDS:
            raise ValueError(f"there are two kinds {id}")
        KINDS[id] = Kind(id, severity, title, consequence, advice, repair, find)
        return find

    return declare


def found(
    kind_id: str,
    says: str,
    *evidence: object,
    is_repairable: bool = True,
    **subjects: str | None,
) -> Finding:
    """A finding; ``subjects`` are ids by name (``server=...``)."""
    named = tuple((name, value) for name, value in subjects.items() if value)
    return Finding(
        kind_id,
        says,
        typing.cast(tuple[tuple[Subject, str], ...], named),
        evidence,
        is_repairable,
    )
