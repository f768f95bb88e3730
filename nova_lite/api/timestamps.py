"""Times as the API writes them."""

import datetime


def iso(when: datetime.datetime | None) -> str | None:
    """``2026-11-22T07:00:00Z``."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else None


def precise(when: datetime.datetime | None) -> str | None:
    """``2026-11-22T07:00:00.000000``, as older parts of the API have it."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f") if when else None
