"""Daemons are killed with SIGKILL, messages are lost, hosts are away: everything
comes to an end within a bound, and nothing is left behind (spec/PAINS.md)."""

import collections.abc
import contextlib
import json
import pathlib
import shutil
import tempfile
import typing

import pytest

from tests.integration import cluster as clusters

SETTINGS: dict[str, dict[str, object]] = {
    # A daemon that is killed is back long before it counts as down.
    "DEFAULT": {"report_interval_s": 1, "service_down_time_s": 20},
    # A host counts as down before it has been sent something in vain often enough.
    "conductor": {"reaper_interval_s": 1, "operation_silence_s": 6},
    "compute": {"resource_report_interval_s": 1, "progress_interval_s": 1},
    "rpc": {"response_timeout_s": 4},
    "fake": {"persist": True},
}
BOUND_S = 90.0
HELD_COMPUTE = "tests.integration.held_compute"
"""By name: who imports it becomes cooperative."""


class Lab:
    """One cluster for all cases, and what they ask of it."""

    def __init__(self, cluster: clusters.Cluster) -> None:
        self.cluster = cluster
        self.compute = cluster.daemons["compute"]
        self.conductor = cluster.daemons["conductor"]
        self.scheduler = cluster.daemons["scheduler"]
        flavor = {"name": "small", "ram": 64, "vcpus": 1, "disk": 1}
        self.flavor = cluster.ok("POST", "/flavors", {"flavor": flavor})["flavor"]["id"]

    def volume(self) -> str:
        body = {"volume": {"size": 1, "name": "v"}}
        volume_id = self.cluster.ok("POST", "/volumes", body, service="volume")["volume"]["id"]
        self.wait_volume(volume_id, "available")
        path = f"/volumes/{volume_id}/action"
        self.cluster.ok("POST", path, {"os-set_bootable": {"bootable": True}}, service="volume")
        return str(volume_id)

    def volume_status(self, volume_id: str) -> str:
        answer = self.cluster.ok("GET", f"/volumes/{volume_id}", service="volume")
        return str(answer["volume"]["status"])

    def wait_volume(self, volume_id: str, *wanted: str) -> None:
        clusters.wait_for(
            lambda: self.volume_status(volume_id) in wanted,
            f"volume {volume_id} to be {wanted}",
            BOUND_S,
        )

    def create(self, volume_id: str) -> str:
        server = {
            "name": "s",
            "flavorRef": self.flavor,
            "networks": "none",
            "block_device_mapping_v2": [
                {
                    "source_type": "volume",
                    "destination_type": "volume",
                    "uuid": volume_id,
                    "boot_index": 0,
                }
            ],
        }
        return str(self.cluster.ok("POST", "/servers", {"server": server})["server"]["id"])

    def boot(self, volume_id: str) -> str:
        server_id = self.create(volume_id)
        assert self.settled(server_id)["status"] == "ACTIVE"
        return server_id

    def settled(self, server_id: str) -> clusters.Body:
        return self.cluster.wait_settled(server_id, BOUND_S)

    def message(self, server_id: str, action: str) -> str:
        """What the journal says of the server's one action of that name."""
        listed = self.cluster.ok("GET", f"/servers/{server_id}/os-instance-actions")
        (row,) = [row for row in listed["instanceActions"] if row["action"] == action]
        return str(row["message"])

    def steps(self) -> list[str]:
        """The latest step of each operation that the compute has on record."""
        found = []
        for path in (self.cluster.state / "operations").glob("*.jsonl"):
            with contextlib.suppress(OSError, ValueError):
                records = [json.loads(line) for line in path.read_text().splitlines()]
                found += [value for kind, value in records if kind == "step"][-1:]
        return found

    @contextlib.contextmanager
    def held(self, step: str) -> collections.abc.Iterator[None]:
        """The compute gets as far as a step, and not past it; see held_compute.py."""
        file = self.cluster.state / "held" / step
        file.parent.mkdir(exist_ok=True)
        file.touch()
        try:
            yield
        finally:
            file.unlink()

    def wait_step(self, step: str) -> None:
        clusters.wait_for(lambda: step in self.steps(), f"step {step}", BOUND_S)

    def delete(self, server_id: str) -> None:
        self.cluster.ok("DELETE", f"/servers/{server_id}")
        self.wait_gone(server_id)

    def wait_gone(self, server_id: str) -> None:
        clusters.wait_for(
            lambda: self.cluster.server(server_id) is None, f"{server_id} to be gone", BOUND_S
        )

    def host(self) -> dict[str, typing.Any]:
        """What the fake hypervisor has."""
        path = self.cluster.state / "fake_driver.json"
        if not path.exists():
            return {"guests": {}, "local_disks": {}, "connected": {}}
        return typing.cast(dict[str, typing.Any], json.loads(path.read_text()))

    def check_empty(self, *volumes: str) -> None:
        """No server is there, and nothing that belonged to one."""
        for volume_id in volumes:
            self.wait_volume(volume_id, "available")
        clusters.wait_for(lambda: not self.steps(), "the compute to be done", BOUND_S)
        clusters.wait_for(
            lambda: not any(self.host().values()), f"an empty host: {self.host()}", BOUND_S
        )
        listed = self.cluster.ok("GET", "/attachments?all_tenants=1", service="volume")
        assert listed["attachments"] == []
        assert self.cluster.manage("allocations", "audit").strip() == "Nothing is wrong."

    def all_up(self) -> None:
        clusters.wait_for(self.cluster.all_up, "all to be up", BOUND_S)


@pytest.fixture(scope="module")
def lab(services: clusters.Services) -> collections.abc.Iterator[Lab]:
    home = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-recovery-", dir="/var/tmp"))
    try:
        with clusters.Cluster(
            home, services, driver="fake", compute=HELD_COMPUTE, settings=SETTINGS
        ) as cluster:
            yield Lab(cluster)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def everything_runs(lab: Lab) -> collections.abc.Iterator[None]:
    yield
    for daemon in lab.cluster.daemons.values():
        if not daemon.running():
            daemon.restart()
    lab.all_up()


@pytest.mark.parametrize("step", ["connect_volume", "create_disks", "spawn"])
def test_the_compute_is_killed_during_a_boot(lab: Lab, step: str) -> None:
    """D27: a restart does not turn a build into an ERROR."""
    volume_id = lab.volume()
    with lab.held(step):
        server_id = lab.create(volume_id)
        lab.wait_step(step)
        lab.compute.kill()
    lab.compute.restart()
    assert lab.settled(server_id)["status"] == "ACTIVE"
    assert lab.volume_status(volume_id) == "in-use"
    lab.delete(server_id)
    lab.check_empty(volume_id)


def test_the_compute_is_killed_and_stays_away(lab: Lab) -> None:
    """Law 5: the server does not stay in BUILD; its user can delete it."""
    volume_id = lab.volume()
    with lab.held("spawn"):
        server_id = lab.create(volume_id)
        lab.wait_step("spawn")
        lab.compute.kill()
    server = lab.settled(server_id)
    assert server["status"] == "ERROR"
    assert "does not answer" in server["fault"]["message"]
    lab.delete(server_id)
    lab.compute.restart()
    lab.check_empty(volume_id)


@pytest.mark.parametrize("step", ["connect_volume", "spawn"])
def test_the_conductor_is_killed_during_a_boot(lab: Lab, step: str) -> None:
    volume_id = lab.volume()
    with lab.held(step):
        server_id = lab.create(volume_id)
        lab.wait_step(step)
        lab.conductor.kill()
    lab.conductor.restart()
    assert lab.settled(server_id)["status"] == "ACTIVE"
    lab.delete(server_id)
    lab.check_empty(volume_id)


def test_the_conductor_is_killed_when_the_request_comes(lab: Lab) -> None:
    volume_id = lab.volume()
    with lab.held("spawn"):
        server_id = lab.create(volume_id)
        lab.conductor.kill()
    lab.conductor.restart()
    assert lab.settled(server_id)["status"] == "ACTIVE"
    lab.delete(server_id)
    lab.check_empty(volume_id)


def test_the_scheduler_is_killed(lab: Lab) -> None:
    """It comes back in time: ACTIVE; or too late: ERROR; never BUILD for ever."""
    volume_id = lab.volume()
    lab.scheduler.kill()
    server_id = lab.create(volume_id)
    lab.scheduler.restart()
    assert lab.settled(server_id)["status"] in ("ACTIVE", "ERROR")
    lab.delete(server_id)
    lab.check_empty(volume_id)


@pytest.mark.parametrize("topic", ["conductor", "compute"])
def test_the_message_is_lost(lab: Lab, topic: str) -> None:
    """Law 1: the queue is purged, and the boot from volume still ends well."""
    volume_id = lab.volume()
    daemon = lab.cluster.daemons[topic]
    queue = f"nova-lite-{topic}"
    if topic == "compute":
        queue += f".{lab.cluster.name.replace('_', '-')}"
    daemon.kill()
    server_id = lab.create(volume_id)
    clusters.wait_for(
        lambda: lab.cluster.queues().get(queue, 0) > 0, f"a message in {queue}", BOUND_S
    )
    lab.cluster.purge(queue)
    daemon.restart()
    assert lab.settled(server_id)["status"] in ("ACTIVE", "ERROR")
    lab.delete(server_id)
    lab.check_empty(volume_id)


def test_operations_on_a_server_whose_compute_is_away(lab: Lab) -> None:
    """D1, D25: attach, detach and delete end without it, and it agrees when it returns."""
    root_id, attached_id, spare_id = lab.volume(), lab.volume(), lab.volume()
    server_id = lab.boot(root_id)
    path = f"/servers/{server_id}/os-volume_attachments"
    lab.cluster.ok("POST", path, {"volumeAttachment": {"volumeId": attached_id}})
    lab.wait_volume(attached_id, "in-use")
    clusters.wait_for(lambda: not lab.steps(), "the attach to be over", BOUND_S)

    lab.compute.kill()
    # It still counts as up, so both are accepted, and given up when it does not.
    lab.cluster.ok("POST", path, {"volumeAttachment": {"volumeId": spare_id}})
    lab.cluster.ok("DELETE", f"{path}/{attached_id}")
    lab.wait_volume(spare_id, "available")
    # Cinder hears of it before the journal, which refuses nothing while the detach runs.
    clusters.wait_for(
        lambda: "does not answer" in lab.message(server_id, "detach_volume"),
        "the detach to be given up",
        BOUND_S,
    )
    assert lab.volume_status(attached_id) == "in-use"
    clusters.wait_for(lambda: not lab.cluster.all_up(), "the compute to be down", BOUND_S)
    status, _ = lab.cluster.request("DELETE", f"{path}/{attached_id}")
    assert status == 409
    lab.delete(server_id)

    lab.compute.restart()
    lab.check_empty(root_id, attached_id, spare_id)


def test_the_compute_is_killed_during_attach_and_detach(lab: Lab) -> None:
    root_id, data_id = lab.volume(), lab.volume()
    server_id = lab.boot(root_id)
    path = f"/servers/{server_id}/os-volume_attachments"
    with lab.held("plug"):
        lab.cluster.ok("POST", path, {"volumeAttachment": {"volumeId": data_id}})
        lab.wait_step("plug")
        lab.compute.kill()
    lab.compute.restart()
    lab.wait_volume(data_id, "available")  # an attach is rolled back
    clusters.wait_for(
        lambda: len(lab.cluster.ok("GET", path)["volumeAttachments"]) == 1,
        "the device to be forgotten",
        BOUND_S,
    )
    lab.all_up()
    lab.cluster.ok("POST", path, {"volumeAttachment": {"volumeId": data_id}})
    lab.wait_volume(data_id, "in-use")
    clusters.wait_for(lambda: not lab.steps(), "the attach to be over", BOUND_S)
    with lab.held("unplug"):
        lab.cluster.ok("DELETE", f"{path}/{data_id}")
        lab.wait_step("unplug")
        lab.compute.kill()
    lab.compute.restart()
    lab.wait_volume(data_id, "available")  # a detach goes on
    lab.delete(server_id)
    lab.check_empty(root_id, data_id)


def test_nobody_said_a_secret(lab: Lab) -> None:
    """I8: connection information is in no log."""
    for daemon in lab.cluster.daemons.values():
        if daemon.name != "standalone":
            assert "device_path" not in daemon.log.read_text(errors="replace"), daemon.name
