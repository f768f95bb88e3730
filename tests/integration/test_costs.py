"""MariaDB's own count of what a boot asks of it, on four real daemons."""

import collections.abc
import pathlib
import typing

import pymysql
import pytest

from tests.integration import cluster as clusters

STATEMENTS = 27
"""The 33 of tests/functional/pipeline/test_costs.py without the 6 BEGINs: on
MariaDB a transaction begins with its first statement."""
BOOTS = 5
NEVER_S = 100_000


class Server:
    """A connection that knows how often it asked."""

    def __init__(self, services: clusters.Services) -> None:
        self._connection = pymysql.connect(
            host="127.0.0.1",
            port=services.mariadb_port,
            user="nova_lite",
            password="nova_lite",
            autocommit=True,
        )
        self.asked = 0

    def one(self, query: str) -> tuple[typing.Any, ...]:
        self.asked += 1
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            row: tuple[typing.Any, ...] = cursor.fetchone()
            return row

    def questions(self) -> int:
        """Statements of all clients but this one, since the server's start."""
        _, value = self.one("SHOW GLOBAL STATUS LIKE 'Questions'")
        return int(value) - self.asked


@pytest.fixture
def cluster(
    home: pathlib.Path, services: clusters.Services
) -> collections.abc.Iterator[clusters.Cluster]:
    """Daemons that do nothing of their own accord."""
    settings: dict[str, dict[str, object]] = {
        "DEFAULT": {"report_interval_s": NEVER_S, "service_down_time_s": NEVER_S},
        "conductor": {"reaper_interval_s": NEVER_S},
        "compute": {"resource_report_interval_s": NEVER_S, "progress_interval_s": NEVER_S},
    }
    with clusters.Cluster(home, services, driver="fake", settings=settings) as cluster:
        yield cluster


def test_mariadb_counts_what_the_functional_test_counts(
    cluster: clusters.Cluster, services: clusters.Services
) -> None:
    server = Server(services)
    flavor = {"id": "1", "name": "small", "ram": 64, "vcpus": 1, "disk": 1}
    cluster.ok("POST", "/flavors", {"flavor": flavor})
    image = cluster.upload_image(bytes(512))

    def boot() -> int:
        before = server.questions()
        body = {"name": "s", "flavorRef": "1", "imageRef": image, "networks": "none"}
        server_id = cluster.ok("POST", "/servers", {"server": body})["server"]["id"]
        query = (
            f"SELECT COUNT(*) FROM {cluster.name}_cell.instances "
            f"WHERE uuid = '{server_id}' AND vm_state = 'active'"
        )
        clusters.wait_for(lambda: server.one(query)[0], f"{server_id} to become active")
        return server.questions() - before

    for _ in range(BOOTS):
        boot()
    assert [boot() for _ in range(BOOTS)] == [STATEMENTS] * BOOTS
