"""Who uses a volume's connection: D19, D34."""

import pathlib

import pytest

from nova_lite import concurrency
from nova_lite.virt import volume_users


@pytest.fixture(name="users")
def fixture_users(tmp_path: pathlib.Path) -> volume_users.VolumeUsers:
    return volume_users.VolumeUsers(str(tmp_path))


def join(users: volume_users.VolumeUsers, *servers: str) -> None:
    for server in servers:
        with users.joining("v", server):
            pass


def test_the_last_one_is_told_so(users: volume_users.VolumeUsers) -> None:
    join(users, "s1", "s2", "s2")
    told = []
    for server in ("s1", "s3", "s2"):
        with users.leaving("v", server) as is_last:
            told.append(is_last)
    assert told == [False, False, True]


def test_whom_nobody_knows_is_the_last(users: volume_users.VolumeUsers) -> None:
    """The record is lost, or older than it: disconnecting is safe to repeat."""
    with users.leaving("v", "s1") as is_last:
        assert is_last


def test_it_is_written_before_the_host_is_touched(
    users: volume_users.VolumeUsers, tmp_path: pathlib.Path
) -> None:
    """A process that dies in the middle leaves what says so."""
    with users.joining("v", "s1"):
        assert volume_users.VolumeUsers(str(tmp_path)).of("v") == {"s1"}


def test_a_connect_that_fails_keeps_the_record(users: volume_users.VolumeUsers) -> None:
    """It is the disconnect that cleans up after it who forgets."""
    with pytest.raises(OSError, match="no path"), users.joining("v", "s1"):
        raise OSError("no path")
    assert users.of("v") == {"s1"}


def test_a_disconnect_that_fails_keeps_the_record(users: volume_users.VolumeUsers) -> None:
    join(users, "s1")
    with pytest.raises(OSError, match="busy"), users.leaving("v", "s1"):
        raise OSError("busy")
    assert users.of("v") == {"s1"}


def test_nothing_is_left_of_it(users: volume_users.VolumeUsers, tmp_path: pathlib.Path) -> None:
    join(users, "s1")
    with users.leaving("v", "s1"):
        pass
    assert list((tmp_path / volume_users.DIRECTORY).iterdir()) == []


@pytest.mark.parametrize("name", ["../../evil", "..", "a/b"])
def test_a_name_leads_nowhere_else(
    users: volume_users.VolumeUsers, tmp_path: pathlib.Path, name: str
) -> None:
    with users.joining(name, "s1"):
        pass
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.parent == tmp_path / volume_users.DIRECTORY


def test_one_volume_changes_one_at_a_time(users: volume_users.VolumeUsers) -> None:
    """Two deletes at once: one of them is the last, and knows it."""
    join(users, "s1", "s2")
    told = []

    def leave(server: str) -> None:
        with users.leaving("v", server) as is_last:
            concurrency.sleep(0)
            told.append(is_last)

    threads = [concurrency.spawn(leave, server) for server in ("s1", "s2")]
    for thread in threads:
        thread.wait()
    assert told == [False, True]
