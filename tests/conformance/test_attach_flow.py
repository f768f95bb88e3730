"""Both attach flows do the same to the world, also when a step fails.

The Cinder is the embedded one over HTTP; it fails, or does its work and loses
the answer, at the step under test. After the caller's undo the volume must be
available, Cinder must know no attachment, and the host must have no device.
"""

import json
import typing
import uuid

import pytest
import requests

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.volume import creation
from nova_lite.volume import flow as flow_module
from nova_lite.volume import host_side
from nova_lite.volume import keys
from nova_lite.volume import records
from tests.fixtures import embedded

CONNECTOR = {"host": "h1", "ip": "127.0.0.1", "multipath": False}
PATIENCE = creation.Patience(timeout_s=20, timeout_per_gib_s=5)
FLOWS = {"attachments": "3.71", "connections": "3.40"}
STEPS = {
    "attachments": ("attachments.create", "volumes.show", "attachments.update",
                    "attachments.action"),
    "connections": ("volumes.os-reserve", "volumes.show", "volumes.os-initialize_connection",
                    "volumes.os-attach"),
}  # fmt: skip
CASES = [(flow, step) for flow, steps in STEPS.items() for step in steps]


class Host:
    """A host's volumes: which serials are connected, and for whom."""

    def __init__(self) -> None:
        self.connected: dict[str, set[str]] = {}
        self.breaks = False

    def connector(self) -> dict[str, typing.Any]:
        return CONNECTOR

    def connect(
        self,
        connection_info: host_side.ConnectionInfo,
        instance_uuid: str,
        encryption: keys.Encryption | None = None,
    ) -> None:
        self.connected.setdefault(connection_info["serial"], set()).add(instance_uuid)
        if self.breaks:
            raise OSError("the path went away half-way")

    def disconnect(self, connection_info: host_side.ConnectionInfo, instance_uuid: str) -> None:
        others = self.users(connection_info["serial"]) - {instance_uuid}
        if others:
            self.connected[connection_info["serial"]] = set(others)
        else:
            self.connected.pop(connection_info["serial"], None)

    def users(self, volume_id: str) -> frozenset[str]:
        return frozenset(self.connected.get(volume_id, ()))


class World:
    """One server, one volume, one flow."""

    def __init__(self, service: embedded.Services) -> None:
        self.service = service
        self.cinder = service.cinder
        self.ctxt = service.ctxt
        self.host = Host()
        self.server = str(uuid.uuid4())
        volume = self.cinder.create_volume(self.ctxt, 1, name="", description="")
        creation.wait_until_available(self.ctxt, self.cinder, volume, patience=PATIENCE)
        self.bdm = objects.BlockDeviceMapping(
            uuid=str(uuid.uuid4()),
            source_type="volume",
            destination_type="volume",
            volume_id=volume.id,
            device_name="/dev/vdb",
        )
        service.clear()

    @property
    def flow(self) -> flow_module.AttachFlow:
        """Chosen anew at each step, as different processes do."""
        return flow_module.flow_for(self.ctxt, self.bdm, self.cinder, self.host)

    def forward(self) -> None:
        self.flow.reserve(self.ctxt, self.server, self.bdm)
        self.flow.connect(self.ctxt, self.bdm, CONNECTOR, "/dev/vdb")
        self.flow.complete(self.ctxt, self.bdm)

    def back(self) -> None:
        self.flow.disconnect(self.ctxt, self.bdm)
        self.flow.release(self.ctxt, self.bdm)

    def volume(self) -> records.Volume:
        return self.cinder.get_volume(self.ctxt, self.bdm.volume_id)

    def assert_nothing_left(self) -> None:
        self.service.clear()
        volume = self.volume()
        assert volume.status == "available"
        assert volume.attachments == ()
        assert self.host.connected == {}
        assert self.cinder.list_attachments(self.ctxt, self.server) == []


@pytest.fixture(scope="module", name="services")
def fixture_services(
    tmp_path_factory: pytest.TempPathFactory,
) -> typing.Iterator[dict[str, embedded.Services]]:
    root = tmp_path_factory.mktemp("flows")
    with (
        embedded.services(str(root / "new"), cinder__attachment_attempts=2) as new,
        embedded.services(str(root / "old"), standalone__volume_max_microversion="3.40") as old,
    ):
        yield {"attachments": new, "connections": old}


@pytest.fixture(name="world", params=sorted(FLOWS))
def fixture_world(request: pytest.FixtureRequest, services: dict[str, embedded.Services]) -> World:
    return World(services[request.param])


def test_the_whole_life(world: World) -> None:
    """S195: by the device's attachment id; S196, S198, S203, S204 in the connection
    information."""
    flow, bdm, ctxt = world.flow, world.bdm, world.ctxt
    flow.reserve(ctxt, world.server, bdm)
    assert bdm.phase == states.DevicePhase.RESERVED
    assert world.volume().status in ("reserved", "attaching")

    flow.connect(ctxt, bdm, CONNECTOR, "/dev/vdb")
    assert bdm.phase == states.DevicePhase.CONNECTED
    info = json.loads(bdm.connection_info)
    assert info["driver_volume_type"] == "local"
    assert info["serial"] == bdm.volume_id
    assert info["data"]["access_mode"] == "rw"
    assert world.host.connected == {bdm.volume_id: {world.server}}
    assert world.volume().status == "attaching"

    flow.complete(ctxt, bdm)
    assert bdm.phase == states.DevicePhase.COMPLETE
    assert [use.server_uuid for use in world.volume().attachments] == [world.server]

    flow.begin_detaching(ctxt, bdm)
    assert world.volume().status == "detaching"
    flow.roll_detaching(ctxt, bdm)
    assert world.volume().status == "in-use"

    flow.begin_detaching(ctxt, bdm)
    flow.disconnect(ctxt, bdm)
    assert bdm.phase == states.DevicePhase.DISCONNECTED
    flow.release(ctxt, bdm)
    world.assert_nothing_left()


def test_every_step_may_be_repeated(world: World) -> None:
    """A recovery repeats the step at which a process died."""
    flow, bdm, ctxt = world.flow, world.bdm, world.ctxt
    for _ in range(2):
        flow.reserve(ctxt, world.server, bdm)
    for _ in range(2):
        flow.connect(ctxt, bdm, CONNECTOR, "/dev/vdb")
    for _ in range(2):
        flow.complete(ctxt, bdm)
    assert len(world.volume().attachments) == 1
    for _ in range(2):
        flow.disconnect(ctxt, bdm)
    for _ in range(2):
        flow.release(ctxt, bdm)
    world.assert_nothing_left()


@pytest.mark.parametrize("action", ["fail", "die_after_doing"])
@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_failed_step_is_undone(
    services: dict[str, embedded.Services], name: str, step: str, action: str
) -> None:
    """S169, S205: whichever call fails, nothing is left after the undo."""
    world = World(services[name])
    kind = "attachments.action" if step == "attachments.action" else step
    kind = "attachments.os-complete" if kind == "attachments.action" else kind
    world.service.fault(kind, action, times=10)
    with pytest.raises(exceptions.RemoteServiceError):
        world.forward()
    world.service.clear()
    world.back()
    world.assert_nothing_left()


def test_a_host_that_cannot_connect_is_cleaned_up(world: World) -> None:
    """S202, S207: the error is the original one and the host keeps no leftover."""
    world.host.breaks = True
    with pytest.raises(OSError, match="half-way"):
        world.forward()
    assert world.host.connected == {}
    world.back()
    world.assert_nothing_left()


def test_an_attachment_is_updated_again_after_a_lost_answer(
    services: dict[str, embedded.Services],
) -> None:
    world = World(services["attachments"])
    world.service.fault("attachments.update", "die_after_doing", status=504)
    world.forward()
    assert world.service.kinds().count("attachments.update") == 2
    assert world.volume().status == "in-use"
    world.service.fault("attachments.delete", "die_after_doing", status=500)
    world.back()
    world.assert_nothing_left()


def test_connection_information_that_was_not_saved_is_found_again(
    services: dict[str, embedded.Services],
) -> None:
    """S203: the process died between Cinder's answer and our record of it."""
    world = World(services["attachments"])
    world.flow.reserve(world.ctxt, world.server, world.bdm)
    world.flow.connect(world.ctxt, world.bdm, CONNECTOR, "/dev/vdb")
    world.bdm.connection_info = None
    world.bdm.phase = states.DevicePhase.RESERVED.value
    world.back()
    world.assert_nothing_left()


def test_a_volume_of_somebody_else_stays_his(world: World) -> None:
    """The undo of a refused reservation does not touch the other server's hold."""
    world.forward()
    mine = world.bdm
    world.bdm = objects.BlockDeviceMapping(
        uuid=str(uuid.uuid4()), volume_id=mine.volume_id, destination_type="volume"
    )
    other_server = str(uuid.uuid4())
    flow = world.flow
    with pytest.raises(exceptions.InvalidVolume):
        flow.reserve(world.ctxt, other_server, world.bdm)
    flow.release(world.ctxt, world.bdm)
    assert world.volume().status == "in-use"
    assert [use.server_uuid for use in world.volume().attachments] == [world.server]
    world.bdm = mine
    world.back()
    world.assert_nothing_left()


def test_two_servers_of_a_host_share_a_volume(world: World) -> None:
    """D19: each lets go of its own, and the host's export ends with the last one. It
    is terminated for a host, not for a server."""
    ctxt, client = world.ctxt, world.cinder
    url = f"{world.service.conf.cinder.endpoint_url}/volumes"
    headers = {"X-Project-Id": str(ctxt.project_id)}
    body = {"volume": {"size": 1, "multiattach": True}}
    volume_id = requests.post(url, json=body, headers=headers, timeout=10).json()["volume"]["id"]
    servers = [str(uuid.uuid4()) for _ in range(2)]
    devices = [
        objects.BlockDeviceMapping(
            uuid=str(uuid.uuid4()), volume_id=volume_id, device_name="/dev/vdb"
        )
        for _ in servers
    ]
    for server, device in zip(servers, devices, strict=True):
        world.bdm, world.server = device, server
        world.forward()
        assert json.loads(device.connection_info)["multiattach"] is True
    assert world.host.users(volume_id) == set(servers)
    terminate, ended = "volumes.os-terminate_connection", []
    for server, device in zip(servers, devices, strict=True):
        world.bdm = device
        world.back()
        assert server not in {use.server_uuid for use in world.volume().attachments}
        ended.append(world.service.kinds().count(terminate))
    is_legacy = not client.supports_attachments(ctxt)
    assert ended == [0, int(is_legacy)]
    world.assert_nothing_left()


def test_a_multipath_id_is_kept(world: World) -> None:
    """S199: over a refresh of the connection."""
    world.forward()
    info = json.loads(world.bdm.connection_info)
    info["data"]["multipath_id"] = "3600a"
    world.bdm.connection_info = json.dumps(info)
    host_side.record(world.bdm, {"driver_volume_type": "local", "data": {}}, world.volume())
    assert json.loads(world.bdm.connection_info)["data"]["multipath_id"] == "3600a"
    world.bdm.connection_info = json.dumps(info)
    world.back()


def test_every_call_carries_the_service_role(world: World) -> None:
    """CVE-2023-2088 (a)."""
    world.forward()
    world.back()
    calls = world.service.calls()
    assert calls
    assert all(call["is_service"] for call in calls)


def test_a_device_of_no_server_releases_nothing(services: dict[str, embedded.Services]) -> None:
    """Another server's reservation of the same volume is not ours to delete."""
    world = World(services["attachments"])
    world.flow.reserve(world.ctxt, world.server, world.bdm)
    for instance_uuid in (None, str(uuid.uuid4())):
        stray = objects.BlockDeviceMapping(
            uuid=str(uuid.uuid4()), volume_id=world.bdm.volume_id, instance_uuid=instance_uuid
        )
        flow_module.flow_for(world.ctxt, stray, world.cinder).release(world.ctxt, stray)
    assert world.volume().status == "reserved"
    world.back()
    world.assert_nothing_left()


def test_an_attachment_without_connection_information_is_an_error(
    services: dict[str, embedded.Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(services["attachments"])
    world.flow.reserve(world.ctxt, world.server, world.bdm)
    bare = world.cinder.get_attachment(world.ctxt, world.bdm.attachment_id)
    with monkeypatch.context() as patch:
        patch.setattr(world.cinder, "update_attachment", lambda *_: bare)
        with pytest.raises(exceptions.RemoteServiceError, match="connection information"):
            world.flow.connect(world.ctxt, world.bdm, CONNECTOR, "/dev/vdb")
    world.back()
    world.assert_nothing_left()
