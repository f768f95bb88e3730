"""etc/systemd: what the daemons of one host share, and what they must not."""

import collections
import configparser
import pathlib

import pytest

UNITS = pathlib.Path(__file__).parents[2] / "etc" / "systemd"


@pytest.mark.parametrize("directory", ["StateDirectory", "LogsDirectory", "RuntimeDirectory"])
def test_daemons_of_different_users_share_no_directory(directory: str) -> None:
    """systemd gives a directory, with all that is in it, to the user of the unit that
    started last: the guests' disks to the API's user."""
    users: dict[str, set[str]] = collections.defaultdict(set)
    for path in UNITS.glob("*.service"):
        unit = configparser.ConfigParser(interpolation=None, strict=False)
        unit.read(path)
        for name in unit.get("Service", directory, fallback="").split():
            users[name].add(unit.get("Service", "User", fallback="root"))
    assert users
    assert {name: found for name, found in users.items() if len(found) > 1} == {}
