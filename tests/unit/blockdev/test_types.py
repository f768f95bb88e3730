"""The kinds of block devices, and what the driver is told of them."""

import contextlib
import json
import pathlib
import typing
import uuid
from unittest import mock

import pytest

from nova_lite import conf as nova_lite_conf
from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import revert
from nova_lite import states
from nova_lite.blockdev import types
from nova_lite.virt import fake
from nova_lite.volume import cinder
from nova_lite.volume import creation
from nova_lite.volume import records
from tests.conformance import factories
from tests.unit.volume import test_creation

LOCAL = {"destination_type": "local"}
VOLUME = {"destination_type": "volume"}


class Task:
    """An operation that remembers its steps and each phase that was saved."""

    def __init__(self) -> None:
        self.ctxt = context.RequestContext(overwrite=False)
        self.instance = factories.instance()
        self.operation = objects.Operation(attempt=1)
        self.instance.root_device_name = "/dev/vda"
        self.instance.availability_zone = "az1"
        self.undo = revert.Reverter("test")
        self.steps: list[str] = []
        self.saved: list[str | None] = []

    @contextlib.contextmanager
    def step(self, name: str, task_state: states.TaskState | None = None) -> typing.Iterator[None]:
        self.steps.append(name)
        yield

    def save_device(self, device: objects.BlockDeviceMapping) -> None:
        self.saved.append(device.phase)


class Host:
    """A compute host with the fake driver and an autospecced Cinder."""

    def __init__(self, path: pathlib.Path, **options: object) -> None:
        self.conf = nova_lite_conf.new(files=[], default__state_path=str(path), **options)
        self.driver = fake.FakeDriver(self.conf)
        self.cinder = mock.create_autospec(cinder.CinderClient, instance=True)
        self.cinder.supports_attachments.return_value = True
        self.cinder.create_volume.return_value = test_creation.volume_of("creating")
        self.cinder.get_volume.return_value = test_creation.volume_of(id="v1")
        self.cinder.get_snapshot.return_value = records.Snapshot(
            "s1", "source", 3, "available", None
        )
        self.cinder.create_attachment.return_value = records.Attachment(
            "a1", "v1", None, "reserved", None
        )
        self.cinder.update_attachment.return_value = records.Attachment(
            "a1",
            "v1",
            None,
            "attaching",
            {"driver_volume_type": "local", "data": {"device_path": "/v1"}},
        )


@pytest.fixture(name="host")
def fixture_host(tmp_path: pathlib.Path) -> Host:
    return Host(tmp_path)


@pytest.fixture(name="task")
def fixture_task() -> Task:
    return Task()


@pytest.fixture(autouse=True)
def fast_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "FIRST_POLL_S", 0.001)


def mapping(source_type: str, **fields: typing.Any) -> objects.BlockDeviceMapping:
    values = {"boot_index": -1, "device_name": "/dev/vdb", **fields}
    return objects.BlockDeviceMapping(uuid=str(uuid.uuid4()), source_type=source_type, **values)


def existing(**fields: typing.Any) -> objects.BlockDeviceMapping:
    return mapping("volume", volume_id="v1", **VOLUME, **fields)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"source_type": "blank", "guest_format": "swap", **LOCAL}, types.SwapDisk),
        ({"source_type": "blank", "guest_format": "ext4", **LOCAL}, types.EphemeralDisk),
        ({"source_type": "blank", **LOCAL}, types.EphemeralDisk),
        ({"source_type": "image", **LOCAL}, types.LocalImageDisk),
        ({"source_type": "volume", **VOLUME}, types.VolumeDisk),
        ({"source_type": "snapshot", **VOLUME}, types.SnapshotVolume),
        ({"source_type": "image", **VOLUME}, types.ImageVolume),
        ({"source_type": "blank", **VOLUME}, types.BlankVolume),
    ],
)
def test_each_row_has_its_class(
    host: Host, fields: dict[str, typing.Any], kind: type[types.BlockDevice]
) -> None:
    """S182: base -> Swap, Ephemeral, Volume -> {Snapshot, Image, Blank}."""
    disk = types.disk_of(mapping(**fields), host)
    assert type(disk) is kind
    assert isinstance(disk, types.BlockDevice)
    assert isinstance(disk, types.VolumeDisk) == (fields["destination_type"] == "volume")


@pytest.mark.parametrize("kind", [types.SwapDisk, types.EphemeralDisk, types.LocalImageDisk])
@pytest.mark.parametrize("verb", ["attach", "detach"])
def test_local_disks_cannot_be_attached(kind: type[types.BlockDevice], verb: str) -> None:
    """S183: calling them is an error, never a Cinder call."""
    with pytest.raises(AttributeError):
        getattr(kind(mapping("blank", **LOCAL)), verb)


def test_block_device_info(host: Host, task: Task) -> None:
    """S177, S178, S179, S180: the four parts and their keys, exactly."""
    info = {"driver_volume_type": "local", "data": {}, "serial": "v1"}
    bdms = [
        mapping("image", boot_index=0, device_name="/dev/vda", **LOCAL),
        mapping("blank", volume_size=20, guest_format="ext4", **LOCAL),
        mapping("blank", volume_size=512, guest_format="swap", device_name="/dev/vdc", **LOCAL),
        existing(
            device_name="/dev/vdd",
            attachment_id="a1",
            connection_info=json.dumps(info),
            delete_on_termination=True,
            device_type="disk",
            disk_bus="virtio",
        ),
    ]
    disks = [types.disk_of(bdm, host) for bdm in bdms]
    assert types.block_device_info(task.instance, disks) == {
        "root_device_name": "/dev/vda",
        "swap": {"device_name": "/dev/vdc", "swap_size": 512, "disk_bus": "virtio"},
        "ephemerals": [
            {
                "device_name": "/dev/vdb",
                "device_type": None,
                "disk_bus": None,
                "guest_format": "ext4",
                "size": 20,
            }
        ],
        "block_device_mapping": [
            {
                "connection_info": info,
                "guest_format": None,
                "device_type": "disk",
                "disk_bus": "virtio",
                "boot_index": -1,
                "attachment_id": "a1",
                "mount_device": "/dev/vdd",
                "delete_on_termination": True,
            }
        ],
    }


def test_a_server_with_nothing_but_a_root_has_empty_parts(task: Task) -> None:
    """S177."""
    assert types.block_device_info(task.instance, []) == {
        "root_device_name": "/dev/vda",
        "swap": None,
        "ephemerals": [],
        "block_device_mapping": [],
    }


def test_boot_and_hot_plug_use_the_same_class(host: Host, task: Task) -> None:
    """S176, S200: at boot nothing is plugged; a guest that runs is given the volume
    between connect and complete."""
    boot, hot_plug = existing(), existing()
    types.volume_of(boot, host).attach(task)
    assert task.steps == ["connect_volume", "complete_attachment"]
    assert task.saved == ["reserved", "connected", "complete"]

    info = factories.block_device_info()
    host.driver.disks.create(task.instance, info, None)
    host.driver.guests.spawn(task.instance, factories.image_meta(), info, None)
    task.steps.clear()
    task.saved.clear()
    types.volume_of(hot_plug, host).attach(task, before_plug=lambda: task.steps.append("save"))
    assert task.steps == ["connect_volume", "plug", "save", "complete_attachment"]
    assert task.saved == ["reserved", "connected", "plugged", "complete"]

    task.saved.clear()
    types.volume_of(hot_plug, host).detach(task)
    assert task.saved == ["unplugging"]
    assert host.driver.world.connected == {}
    host.cinder.delete_attachment.assert_called_once_with(task.ctxt, "a1")


def test_there_is_one_way_to_detach() -> None:
    """S190: whatever the volume was made of."""
    kinds = (types.NewVolume, types.SnapshotVolume, types.ImageVolume, types.BlankVolume)
    for kind in kinds:
        assert kind.detach is types.VolumeDisk.detach


def plugged(host: Host, task: Task) -> objects.BlockDeviceMapping:
    """A volume that a guest of the fake driver has."""
    info = factories.block_device_info()
    host.driver.disks.create(task.instance, info, None)
    host.driver.guests.spawn(task.instance, factories.image_meta(), info, None)
    bdm = existing()
    types.volume_of(bdm, host).attach(task, before_plug=lambda: None)
    task.saved.clear()
    return bdm


def test_a_guest_that_will_not_let_go_keeps_its_volume(host: Host, task: Task) -> None:
    bdm = plugged(host, task)
    refusal = exceptions.DeviceDetachRefused(device="vdb", attempts=1)
    host.driver.faults.fail("volumes.unplug", refusal)
    with pytest.raises(exceptions.DeviceDetachRefused):
        types.volume_of(bdm, host).detach(task)
    assert task.saved == ["unplugging", "complete"]
    host.cinder.roll_detaching.assert_called_once_with(task.ctxt, "v1")
    host.cinder.delete_attachment.assert_not_called()


def order_of(host: Host, task: Task, bdm: objects.BlockDeviceMapping) -> dict[str, typing.Any]:
    """What Cinder was asked for, without what has no value."""
    disk = types.disk_of(bdm, host)
    assert isinstance(disk, types.NewVolume)
    disk.create(task)
    assert (bdm.volume_id, bdm.volume_size) == ("v1", 2)
    assert task.saved == [None]
    host.cinder.create_volume.assert_called_once()
    arguments = dict(host.cinder.create_volume.call_args.kwargs)
    assert arguments.pop("metadata") == {"nova_lite_device": bdm.uuid}
    host.cinder.find_volumes.assert_not_called()
    return {name: value for name, value in arguments.items() if value}


def test_blank(host: Host, task: Task) -> None:
    """S66, S187, S188: one create without source, named after the server, in no zone."""
    assert order_of(host, task, mapping("blank", volume_size=2, volume_type="slow", **VOLUME)) == {
        "size_gib": 2,
        "name": f"{task.instance.uuid}-blank-vol",
        "volume_type": "slow",
    }


def test_image(tmp_path: pathlib.Path, task: Task) -> None:
    """S65, S186, and S188: the zone is passed on where volumes may not cross it."""
    host = Host(tmp_path, cinder__cross_az_attach=False)
    assert order_of(host, task, mapping("image", image_id="i1", volume_size=2, **VOLUME)) == {
        "size_gib": 2,
        "image_id": "i1",
        "availability_zone": "az1",
    }


def test_snapshot(host: Host, task: Task) -> None:
    """S64, S185: the snapshot's size and its source's type."""
    host.cinder.get_volume.side_effect = [
        test_creation.volume_of(volume_type="gold"),
        test_creation.volume_of(),
    ]
    assert order_of(host, task, mapping("snapshot", snapshot_id="s1", **VOLUME)) == {
        "size_gib": 3,
        "snapshot_id": "s1",
        "volume_type": "gold",
    }


def test_a_volume_that_exists_is_only_waited_for(host: Host, task: Task) -> None:
    """S189: a repeated build makes no second volume."""
    host.cinder.get_volume.side_effect = [
        test_creation.volume_of("downloading"),
        test_creation.volume_of(),
    ]
    bdm = mapping("blank", volume_size=2, volume_id="v1", **VOLUME)
    disk = types.BlankVolume(bdm, host)
    disk.create(task)
    host.cinder.create_volume.assert_not_called()


def test_a_later_attempt_looks_for_what_the_first_ordered(host: Host, task: Task) -> None:
    """The process died after Cinder took the order and before it wrote down the id."""
    task.operation.attempt = 2
    host.cinder.find_volumes.return_value = [test_creation.volume_of("creating")]
    bdm = mapping("blank", volume_size=2, **VOLUME)
    types.BlankVolume(bdm, host).create(task)
    host.cinder.create_volume.assert_not_called()
    assert bdm.volume_id == "v1"


def test_only_what_was_made_for_the_server_is_discarded(host: Host, task: Task) -> None:
    """S76: a volume of the user's survives whatever becomes of the build."""
    types.volume_of(existing(), host).discard(task.ctxt)
    host.cinder.delete_volume.assert_not_called()
    made = mapping("blank", volume_size=2, volume_id="v1", attachment_id="a1", **VOLUME)
    types.volume_of(made, host).discard(task.ctxt)
    host.cinder.delete_attachment.assert_called_once_with(task.ctxt, "a1")
    host.cinder.delete_volume.assert_called_once_with(task.ctxt, "v1")
    assert made.volume_id is None


def test_a_hold_never_lets_the_volume_go(host: Host, task: Task) -> None:
    """Bug 1784353: the new reservation is known before the old one goes."""
    bdm = existing(attachment_id="old", phase="connected")
    saved: list[tuple[str, bool]] = []

    def save(held: objects.BlockDeviceMapping) -> None:
        saved.append((held.attachment_id, host.cinder.delete_attachment.called))

    types.volume_of(bdm, host).hold(task.ctxt, task.instance.uuid, save)
    assert saved == [("a1", False)]
    host.cinder.delete_attachment.assert_called_once_with(task.ctxt, "old")
    assert (bdm.attachment_id, bdm.phase, bdm.connection_info) == ("a1", "reserved", None)


def test_a_hold_leaves_to_others_what_is_theirs(host: Host, task: Task) -> None:
    bdm = existing(attachment_id="old", phase="connected")

    def save(held: objects.BlockDeviceMapping) -> None:
        raise exceptions.OperationSuperseded(operation_id="1")

    types.volume_of(bdm, host).hold(task.ctxt, task.instance.uuid, save)
    host.cinder.delete_attachment.assert_called_once_with(task.ctxt, "a1")
    assert bdm.attachment_id == "old"
