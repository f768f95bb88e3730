"""Comparisons for which a whole world would be too much: the legacy flow, Ceph's pool,
what Cinder does by itself. What is found in a world is in tests/functional/pipeline."""

import dataclasses
import datetime
import json
import typing
import uuid

import pytest

from nova_lite import objects
from nova_lite.audit import facts
from nova_lite.audit import kinds
from nova_lite.audit import looks
from nova_lite.db.queries import allocations
from nova_lite.db.queries import audit as queries
from nova_lite.volume import records

SERVER, VOLUME, ATTACHMENT, NODE = (str(uuid.UUID(int=number)) for number in range(1, 5))
GONE, STRANGER = str(uuid.UUID(int=8)), str(uuid.UUID(int=9))
USED = allocations.Resources(1, 64, 1)


def server(uuid: str = SERVER, **fields: typing.Any) -> objects.Instance:
    flavor = objects.Flavor(flavorid="1", name="f", memory_mib=64, vcpus=1, root_gib=1)
    values = {
        "project_id": "p", "user_id": "u", "display_name": "s", "flavor": flavor,
        "vm_state": "active", "power_state": 1, "host": "a",
    }  # fmt: skip
    return objects.Instance(uuid=uuid, **values | fields)


def device(**fields: typing.Any) -> objects.BlockDeviceMapping:
    values: dict[str, typing.Any] = {
        "uuid": str(uuid.uuid4()), "instance_uuid": SERVER, "source_type": "volume",
        "destination_type": "volume", "volume_id": VOLUME, "attachment_id": ATTACHMENT,
        "phase": "complete", "device_name": "/dev/vda",
    }  # fmt: skip
    return objects.BlockDeviceMapping(**values | fields)


def volume(**fields: typing.Any) -> records.Volume:
    values: dict[str, typing.Any] = {
        "id": VOLUME, "status": "in-use", "size_gib": 1, "bootable": True, "multiattach": False,
        "availability_zone": None, "volume_type": None, "image_metadata": {}, "name": None,
        "attachments": (records.VolumeUse(ATTACHMENT, SERVER, "/dev/vda"),), "service_uuid": None,
        "shared_targets": False, "encrypted": False,
    }  # fmt: skip
    return records.Volume(**values | fields)


def disks(*serials: str) -> list[objects.InventoryDisk]:
    return [objects.InventoryDisk(device="vda", serial=s, source="x") for s in serials]


def host(name: str = "a", **fields: typing.Any) -> objects.HostInventory:
    guest = objects.InventoryGuest(
        instance_uuid=SERVER, name="g", power_state=1, live=disks(VOLUME), defined=disks(VOLUME)
    )
    return objects.HostInventory(host=name, node_uuid=NODE, **{"guests": [guest], **fields})


def world(**fields: typing.Any) -> facts.Facts:
    """A server with one volume where everybody agrees."""
    cell = queries.Cell({SERVER: server()}, (device(),), (), 0, {})
    held = (allocations.Allocation(SERVER, NODE, USED),)
    api = queries.Api(frozenset(), {SERVER: "p"}, held, {SERVER: USED}, (), {NODE: "a"})
    attachment = records.Attachment(ATTACHMENT, VOLUME, SERVER, "attached", None)
    values: dict[str, typing.Any] = {
        "cell": cell, "api": api, "volumes": {VOLUME: volume()},
        "attachments": {ATTACHMENT: attachment}, "hosts": {"a": host()},
        "deleted": frozenset({GONE}), "now": datetime.datetime(2026, 1, 1),
    }  # fmt: skip
    return facts.Facts(**values | fields)


def found_in(seen: facts.Facts) -> list[str]:
    return [each.kind for each in looks.compare(seen)]


def with_devices(*devices: objects.BlockDeviceMapping, **fields: typing.Any) -> facts.Facts:
    seen = world(**fields)
    return dataclasses.replace(seen, cell=dataclasses.replace(seen.cell, devices=devices))


def test_where_all_agree_nothing_is_found() -> None:
    assert found_in(world()) == []


@pytest.mark.parametrize(
    "attachments", [{}, {"x": records.Attachment("x", VOLUME, SERVER, "attached", None)}]
)
def test_the_legacy_flow_has_no_attachment_ids(attachments: dict[str, records.Attachment]) -> None:
    """Cinder lists the server as the volume's user; a newer one as an attachment too."""
    legacy = device(attachment_id=None)
    assert found_in(with_devices(legacy, attachments=attachments)) == []
    free = {VOLUME: volume(status="available", attachments=())}
    assert found_in(with_devices(legacy, attachments={}, volumes=free)) == ["attachment-missing"]


@pytest.mark.parametrize("migration_status", ["starting", "migrating", "completing"])
def test_a_volume_that_cinder_moves_is_let_alone(migration_status: str) -> None:
    moving = {VOLUME: volume(status="available", migration_status=migration_status)}
    assert found_in(world(volumes=moving)) == []
    done = {VOLUME: volume(status="available", migration_status="success")}
    assert found_in(world(volumes=done)) == ["volume-status"]


@pytest.mark.parametrize("status", ["extending", "backing-up", "retyping", "maintenance"])
def test_what_cinder_does_to_a_volume_in_use_is_no_drift(status: str) -> None:
    assert found_in(world(volumes={VOLUME: volume(status=status)})) == []


def test_attachments_of_other_services_are_theirs() -> None:
    """Cinder serves more than one compute service."""
    other = records.Attachment("x", VOLUME, STRANGER, "attached", None)
    seen = world()
    both = {**(seen.attachments or {}), "x": other}
    assert found_in(dataclasses.replace(seen, attachments=both)) == []
    ours = {**both, "x": dataclasses.replace(other, instance_uuid=GONE)}
    assert found_in(dataclasses.replace(seen, attachments=ours)) == ["attachment-of-nobody"]


def test_a_multiattach_volume_may_be_on_two_servers() -> None:
    second = str(uuid.UUID(int=5))
    other = device(instance_uuid=second, attachment_id="x")
    for multiattach in (True, False):
        seen = with_devices(
            device(),
            other,
            volumes={VOLUME: volume(multiattach=multiattach)},
            attachments={
                ATTACHMENT: records.Attachment(ATTACHMENT, VOLUME, SERVER, "attached", None),
                "x": records.Attachment("x", VOLUME, second, "attached", None),
            },
        )
        servers = {SERVER: server(), second: server(second, vm_state="error", host=None)}
        seen = dataclasses.replace(
            seen,
            cell=dataclasses.replace(seen.cell, servers=servers),
            api=dataclasses.replace(seen.api, mapped=dict.fromkeys(servers, "p")),
        )
        assert found_in(seen) == ([] if multiattach else ["volume-on-two-servers"])


def test_a_volume_that_was_swapped_keeps_the_serial_of_the_first() -> None:
    """The guest's disk has the new volume's data under the old one's name."""
    new = str(uuid.UUID(int=6))
    info = json.dumps({"driver_volume_type": "local", "serial": VOLUME, "data": {}})
    use = (records.VolumeUse(ATTACHMENT, SERVER, "/dev/vda"),)
    seen = with_devices(
        device(volume_id=new, connection_info=info),
        volumes={new: volume(id=new, attachments=use)},
        attachments={ATTACHMENT: records.Attachment(ATTACHMENT, new, SERVER, "attached", None)},
    )
    assert found_in(seen) == []
    stray = records.Attachment("x", new, SERVER, "reserved", None)
    both = {**(seen.attachments or {}), "x": stray}
    (found,) = looks.compare(dataclasses.replace(seen, attachments=both))
    assert not found.is_repairable


def image(name: str) -> objects.InventoryImage:
    return objects.InventoryImage(pool="vms", name=name)


def test_images_in_the_pool_that_hosts_share() -> None:
    """Each is found once, however many hosts tell of it."""
    images = [
        image(f"{SERVER}_disk"), image(f"{GONE}_disk"), image(f"{STRANGER}_disk.swap"),
        image("image.7f00_disk"), image(f"{SERVER}_disk.eph0.{NODE}.part"),
    ]  # fmt: skip
    hosts = {"a": host(images=images), "b": host("b", guests=[], images=images)}
    found = looks.compare(world(hosts=hosts))
    assert sorted(each.kind for each in found) == [
        "files-of-deleted-server", "files-of-nobody", "leftover-files",
    ]  # fmt: skip
    of_deleted = next(each for each in found if each.kind == "files-of-deleted-server")
    # The host that keeps nothing else of it would not find it.
    assert not of_deleted.is_repairable


@pytest.mark.parametrize("part", ["guests", "folders", "connections", "images"])
def test_what_is_unknown_is_not_missing(part: str) -> None:
    nothing: dict[str, typing.Any] = {"guests": [], part: []}
    seen = world(hosts={"a": host(**nothing, unknown={part: "why"})})
    expected = ["host-unreadable"] if part == "guests" else ["guest-missing", "host-unreadable"]
    assert sorted(found_in(seen)) == expected


def test_nothing_is_said_of_servers_at_work() -> None:
    seen = world(hosts={"a": host(guests=[])}, volumes={}, attachments={})
    assert found_in(seen)
    assert found_in(dataclasses.replace(seen, moving=frozenset({SERVER}))) == []


def test_every_text_is_for_people() -> None:
    for kind in kinds.KINDS.values():
        assert kind.title[0].isupper()
        assert not kind.title.endswith(".")
        assert kind.consequence.endswith(".")
        assert kind.advice.endswith((".", "}"))
        assert kind.repair is None or not kind.repair.endswith(".")
