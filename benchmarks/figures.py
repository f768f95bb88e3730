"""Figures, their aims, and the table of them."""

import dataclasses
import math
import typing


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured value.

    :ivar nova: what Nova 34 needed on a machine of this kind, as text.
    :ivar load: the machine's load average (1 min) when the section began.
    """

    name: str
    value: float
    unit: str
    load: float
    aim: float | None = None
    more_is_better: bool = False
    nova: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None if there is none."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.more_is_better else self.value <= self.aim

    def times(self, floor: float | None) -> str:
        """As a multiple of ``floor`` milliseconds, where that says something."""
        milliseconds = {"ms": 1.0, "s": 1000.0}.get(self.unit)
        return f"{self.value * milliseconds / floor:.1f}" if milliseconds and floor else ""


@dataclasses.dataclass
class Report:
    """All figures of a run.

    :ivar call_ms: a bare oslo.messaging call's round trip.
    :ivar commit_ms: a bare one-row insert and commit.
    """

    machine: dict[str, typing.Any]
    figures: list[Figure] = dataclasses.field(default_factory=list)
    call_ms: float | None = None
    commit_ms: float | None = None

    def add(self, figure: Figure) -> None:
        """Keep a figure and show it at once."""
        self.figures.append(figure)
        print(f"  {figure.name}: {figure.value:.4g} {figure.unit}", flush=True)

    def as_json(self) -> dict[str, typing.Any]:
        """Everything as JSON values."""
        return {
            "machine": self.machine,
            "call_ms": self.call_ms,
            "commit_ms": self.commit_ms,
            "figures": [
                dataclasses.asdict(figure) | {"met": figure.met} for figure in self.figures
            ],
        }

    def table(self) -> str:
        """Everything for people: an aim is met (yes) or not (NO)."""
        rows = [("figure", "value", "aim", "met", "calls", "commits", "load", "Nova 34")]
        for figure in self.figures:
            limit = "≥" if figure.more_is_better else "≤"
            rows.append(
                (
                    figure.name,
                    f"{figure.value:.4g} {figure.unit}",
                    f"{limit} {figure.aim:g}" if figure.aim is not None else "",
                    {True: "yes", False: "NO", None: ""}[figure.met],
                    figure.times(self.call_ms),
                    figure.times(self.commit_ms),
                    f"{figure.load:.1f}",
                    figure.nova,
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        rule = "  ".join("=" * width for width in widths)
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([rule, lines[0], rule, *lines[1:], rule])
