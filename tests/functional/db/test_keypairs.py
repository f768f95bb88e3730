"""Keypairs on SQLite, MariaDB and PostgreSQL."""

import pytest

from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import keypairs
from nova_lite.db.queries import quotas
from tests.functional.db import test_queries

NO_LIMIT = -1


def store(
    database: session.Database, name: str, *, user: str = "u", limit: int = NO_LIMIT
) -> bool:
    """Store a keypair as the API does; False if it is refused."""

    def write(tx: session.Connection) -> None:
        quotas.lock(tx, "p")
        keypairs.create(tx, keypairs.new(user, name, "aa:bb", "ssh-ed25519 AAAA"), limit=limit)

    try:
        database.api.transact(write)
    except (keypairs.KeypairExists, keypairs.KeypairQuotaExceeded):
        return False
    return True


def test_life(database: session.Database) -> None:
    assert store(database, "a")
    assert not store(database, "a")
    assert store(database, "a", user="other")
    with database.api.write() as tx:
        found = keypairs.get(tx, "u", "a")
        assert (found.name, found.type, found.fingerprint) == ("a", "ssh", "aa:bb")
        assert keypairs.count(tx, "u") == 1
        keypairs.delete(tx, "u", "a")
        with pytest.raises(keypairs.KeypairNotFound, match="a not found for user u"):
            keypairs.delete(tx, "u", "a")
        with pytest.raises(keypairs.KeypairNotFound):
            keypairs.get(tx, "u", "a")
        assert keypairs.count(tx, "other") == 1


def test_pages_meet_without_gap_or_overlap(database: session.Database) -> None:
    """In whatever order the server sorts these names."""
    names = ["b", "a 1", "a-1", "a_1", "a.b", "ab", "a@b", "c", "B2", "Z"]
    for name in names:
        assert store(database, name)
    found: list[str] = []
    with database.api.read() as tx:
        while page := keypairs.list_page(tx, "u", marker=found[-1] if found else None, limit=3):
            found += [keypair.name for keypair in page]
        assert sorted(found) == sorted(names)
        assert [keypair.name for keypair in keypairs.list_page(tx, "u")] == found


def test_a_name_is_taken_once_whatever_races(url: str, database: session.Database) -> None:
    stored = test_queries.at_once(url, lambda own: store(own, "a"))
    assert stored.count(True) == 1
    assert test_queries.count(database, api.key_pairs) == 1


def test_the_quota_holds_whatever_races(url: str, database: session.Database) -> None:
    stored = test_queries.at_once(url, lambda own: store(own, f"{id(own)}", limit=3))
    assert stored.count(True) == 3
    assert test_queries.count(database, api.key_pairs) == 3
