"""The dry run's picture of the calls of Cinder is what the flows really send."""

import pathlib
import typing

import pytest

from nova_lite import conf as nova_lite_conf
from nova_lite import objects
from nova_lite import remote
from nova_lite import states
from nova_lite.api.servers import dry_run_calls
from nova_lite.blockdev import types
from nova_lite.virt import fake
from nova_lite.volume import creation
from tests.fixtures import embedded
from tests.fixtures import hosts
from tests.unit.blockdev import test_types

PATIENCE = creation.Patience(timeout_s=20, timeout_per_gib_s=5)

Sent = list[tuple[str, typing.Any]]


class Host:
    """A compute host with the fake driver, and a Cinder that answers."""

    def __init__(self, service: embedded.Services, path: pathlib.Path, *, cross_az: bool) -> None:
        self.conf = nova_lite_conf.new(
            files=[], default__state_path=str(path), cinder__cross_az_attach=cross_az
        )
        self.cinder = service.cinder
        self.driver = fake.FakeDriver(self.conf)


@pytest.fixture(scope="module", name="service")
def fixture_service(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[typing.Any]:
    with embedded.services(str(tmp_path_factory.mktemp("cinder"))) as service:
        service.cinder.list_volume_types(service.ctxt)
        yield service


@pytest.fixture(name="sent")
def fixture_sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What goes out, with the answers of a real service coming in."""
    calls: Sent = []
    request = remote.RemoteService.request

    def spy(
        self: typing.Any, ctxt: typing.Any, method: str, path: str, **kw: typing.Any
    ) -> typing.Any:
        # The volume service is in this process, and reads images by the same means.
        if self.name == "Cinder":
            calls.append((f"{method} {path}", kw.get("json")))
        return request(self, ctxt, method, path, **kw)

    monkeypatch.setattr(remote.RemoteService, "request", spy)
    return calls


def volume_of(service: embedded.Services) -> str:
    volume = service.cinder.create_volume(service.ctxt, 1, name="v", description="")
    creation.wait_until_available(service.ctxt, service.cinder, volume, patience=PATIENCE)
    return volume.id


def device_of(service: embedded.Services, source: str, **fields: object) -> typing.Any:
    ids: dict[str, object] = {}
    if source == "volume":
        ids = {"volume_id": volume_of(service)}
    elif source == "snapshot":
        ids = {"snapshot_id": service.snapshot(volume_of(service))}
    elif source == "image":
        ids = {"image_id": service.upload(b"x" * 512)}
    return objects.BlockDeviceMapping(
        uuid=hosts.new_uuid(),
        source_type=source,
        destination_type="volume",
        boot_index=-1,
        device_name="/dev/vdb",
        volume_size=1,
        **ids,
        **fields,
    )


def build(
    service: embedded.Services, host: Host, device: objects.BlockDeviceMapping, zone: str | None
) -> str:
    """What the API, and then a build, do for one volume; returns the server's id."""
    task = test_types.Task()
    task.ctxt = service.ctxt
    task.instance.availability_zone = zone
    disk = types.volume_of(device, host)
    if isinstance(disk, types.NewVolume):
        disk.create(task)
    else:
        attachment = host.cinder.create_attachment(task.ctxt, device.volume_id, task.instance.uuid)
        device.attachment_id = attachment.id
        device.phase = states.DevicePhase.RESERVED.value
    disk.attach(task)
    return str(task.instance.uuid)


def _same(value: typing.Any, names: dict[str, str]) -> typing.Any:
    """``value`` with the dry run's names for what only the answers told."""
    if isinstance(value, dict):
        return {
            key: dry_run_calls.CONNECTOR if key == "connector" else _same(item, names)
            for key, item in value.items()
        }
    if isinstance(value, str):
        for known, name in names.items():
            value = value.replace(known, name)
    return value


@pytest.mark.parametrize(
    ("source", "fields", "zone"),
    [
        ("volume", {}, None),
        ("blank", {}, None),
        ("blank", {"volume_type": "local"}, "nova"),
        ("image", {}, None),
        ("snapshot", {"volume_type": "local"}, None),
        ("snapshot", {}, "nova"),
    ],
)
def test_the_picture_is_true(
    service: embedded.Services,
    sent: Sent,
    tmp_path: pathlib.Path,
    source: str,
    fields: dict[str, object],
    zone: str | None,
) -> None:
    """S63-S66, S185-S188: order and bodies of the calls."""
    device = device_of(service, source, **fields)
    expected = [
        (call["call"], call.get("body")) for call in dry_run_calls.of(device.obj_clone(), zone)
    ]
    own = device.volume_id
    host = Host(service, tmp_path, cross_az=zone is None)
    sent.clear()
    server = build(service, host, device, zone or "nova")
    names = {
        server: dry_run_calls.SERVER,
        device.uuid: dry_run_calls.DEVICE,
        device.attachment_id: dry_run_calls.ATTACHMENT,
    }
    if own is None:
        names[device.volume_id] = dry_run_calls.VOLUME
    if source == "snapshot":
        snapshot = service.cinder.get_snapshot(service.ctxt, device.snapshot_id)
        sent.pop()
        names[snapshot.volume_id] = dry_run_calls.SOURCE
        # The type is the source's, which the dry run does not look up.
        if "volume_type" not in fields:
            expected = [
                (call, _same(body, {dry_run_calls.SOURCE_TYPE: "local"}))
                for call, body in expected
            ]
    found: Sent = []
    for call, body in sent:
        item = (_same(call, names), _same(body, names))
        # Polls count once.
        if item[0].startswith("POST") or not found or found[-1] != item:
            found.append(item)
    assert found == expected


def test_local_disks_cost_cinder_nothing() -> None:
    device = objects.BlockDeviceMapping(
        uuid=hosts.new_uuid(), source_type="image", destination_type="local", boot_index=0
    )
    assert dry_run_calls.of(device, None) == []
