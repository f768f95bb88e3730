from nova_lite.db import session
from nova_lite.db.queries import cells


def test_there_is_always_a_cell_and_only_one(database: session.Database) -> None:
    with database.api.read() as connection:
        made = cells.ensure_default(connection)
        assert cells.ensure_default(connection) == made
        assert cells.list_all(connection) == [made]
    assert (made.name, made.disabled) == ("cell1", False)


def test_hosts_stay_in_their_cell(database: session.Database) -> None:
    with database.api.write() as tx:
        cell = cells.ensure_default(tx)
        for host in ("b", "a", "b"):
            cells.map_host(tx, host, cell.id)
        assert cells.list_hosts(tx) == [
            cells.HostMapping("a", "cell1"),
            cells.HostMapping("b", "cell1"),
        ]
