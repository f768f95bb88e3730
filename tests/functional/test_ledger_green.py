"""Schedulers serve many requests in green threads of one process."""

import subprocess
import sys

import pytest

from nova_lite.db import session
from nova_lite.db.queries import nodes
from tests.fixtures import databases
from tests.fixtures import hosts


@pytest.mark.parametrize("backend", databases.BACKENDS)
def test_a_hundred_green_requests_against_room_for_ten(backend: str) -> None:
    with databases.fresh_url(backend) as url:
        database: session.Database = databases.database_at(url)
        databases.create_tables(database)
        hosts.add_host(database, "a", vcpus=6)
        hosts.add_host(database, "b", vcpus=4)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.functional.green_claims", url],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
        placed, longest_wait_s = done.stdout.split()
        assert int(placed) == 10
        # No statement stops the process for long, not even one that waits for
        # a lock which another green thread holds.
        assert float(longest_wait_s) < 5
        with database.api.read() as connection:
            assert [node.vcpus_used for node in nodes.list_all(connection)] == [6, 4]
        database.dispose()
