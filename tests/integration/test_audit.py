"""``nova-lite-manage audit`` and ``storage trace`` beside four real daemons."""

import json
import typing

import pytest
import sqlalchemy as sa

from nova_lite import conf as nova_lite_conf
from nova_lite import context
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.models import cell
from nova_lite.volume import cinder
from tests.integration import cluster as clusters

DRIFT = 3


@pytest.fixture
def server_id(fake_cluster: clusters.Cluster) -> str:
    """A server with one volume, at rest."""
    cluster = fake_cluster
    flavor = {"name": "f", "id": "1", "ram": 64, "vcpus": 1, "disk": 1}
    cluster.ok("POST", "/flavors", {"flavor": flavor})
    volume = cluster.ok("POST", "/volumes", {"volume": {"size": 1}}, service="volume")["volume"]
    path = f"/volumes/{volume['id']}"
    clusters.wait_for(
        lambda: cluster.ok("GET", path, service="volume")["volume"]["status"] == "available",
        "a volume",
    )
    bootable = {"os-set_bootable": {"bootable": True}}
    cluster.ok("POST", f"{path}/action", bootable, service="volume")
    device = {
        "source_type": "volume", "destination_type": "volume", "uuid": volume["id"],
        "boot_index": 0,
    }  # fmt: skip
    body = {
        "name": "s", "flavorRef": "1", "imageRef": "", "networks": "none",
        "block_device_mapping_v2": [device],
    }  # fmt: skip
    created = cluster.ok("POST", "/servers", {"server": body})["server"]
    assert cluster.wait_settled(created["id"])["status"] == "ACTIVE"
    return str(created["id"])


def test_an_audit_of_a_whole_service(fake_cluster: clusters.Cluster, server_id: str) -> None:
    """D16, D24: clean, then with drift that is found, shown and repaired."""
    cluster = fake_cluster
    assert cluster.manage("audit").startswith("Nothing disagrees. Looked at 1 servers")
    trace = cluster.manage("storage", "trace", server_id)
    assert trace.endswith("All sources agree.\n")
    assert "vda = file" in trace

    _spoil(cluster, server_id)
    found = json.loads(cluster.manage("audit", "--json", status=DRIFT))
    assert found["counts"] == {
        "attachment-of-nobody": 1, "allocation-of-nobody": 1, "power-state": 1,
    }  # fmt: skip
    assert found["clean"] is False
    text = cluster.manage("audit", "--server", server_id, status=DRIFT)
    assert "allocation-of-nobody" not in text
    assert "what to do:" in text

    repaired = cluster.manage("audit", "--repair", "all-safe")
    assert repaired.count("repaired: ") == 3
    assert cluster.manage("audit").startswith("Nothing disagrees")


def test_a_host_that_is_gone(fake_cluster: clusters.Cluster, server_id: str) -> None:
    """It is named; what it has is unknown, and nothing is missing."""
    fake_cluster.daemons["compute"].kill()
    services = fake_cluster.ok("GET", "/os-services?binary=nova-compute")["services"]
    fake_cluster.ok("PUT", f"/os-services/{services[0]['id']}", {"forced_down": True})
    text = fake_cluster.manage("audit", status=DRIFT)
    assert "host-silent" in text
    assert text.startswith("1 finding.")


def test_no_secret_is_told(fake_cluster: clusters.Cluster, server_id: str) -> None:
    """S139: connection information is in no report, but where its data are."""
    database = _database(fake_cluster)
    table = cell.block_device_mapping
    with database.cell.write() as tx:
        (text,) = tx.scalars(sa.select(table.c.connection_info)).all()
        info = json.loads(text)
        info["data"] |= {"auth_password": "canary-1", "keyring": "canary-2", "x": "canary-3"}
        tx.execute(table.update().values(connection_info=json.dumps(info)))
    database.dispose()
    for words in (("audit",), ("audit", "--json"), ("storage", "trace", server_id),
                  ("storage", "trace", server_id, "--json")):  # fmt: skip
        assert "canary" not in fake_cluster.manage(*words)


def _spoil(cluster: clusters.Cluster, server_id: str) -> None:
    database = _database(cluster)
    with database.api.write() as tx:
        node = tx.execute(api.compute_nodes.select()).one()
        tx.execute(
            api.allocations.insert().values(
                consumer_uuid="11111111-2222-4333-8444-555555555555", node_uuid=node.uuid,
                vcpus=1, memory_mib=64, disk_gib=1, created_at=node.updated_at,
            )
        )  # fmt: skip
        used = {name: getattr(node, name) + more for name, more in (
            ("vcpus_used", 1), ("memory_mib_used", 64), ("disk_gib_used", 1))}  # fmt: skip
        tx.execute(api.compute_nodes.update().values(used))
    with database.cell.write() as tx:
        tx.execute(cell.instances.update().values(power_state=4))
    database.dispose()
    volume = cluster.ok("POST", "/volumes", {"volume": {"size": 1}}, service="volume")["volume"]
    path = f"/volumes/{volume['id']}"
    clusters.wait_for(
        lambda: cluster.ok("GET", path, service="volume")["volume"]["status"] == "available",
        "a volume",
    )
    client = cinder.CinderClient(_conf(cluster))
    client.create_attachment(context.admin_context(), volume["id"], server_id)


def _conf(cluster: clusters.Cluster) -> typing.Any:
    return nova_lite_conf.new(files=cluster.config_files)


def _database(cluster: clusters.Cluster) -> session.Database:
    return session.Database(_conf(cluster))
