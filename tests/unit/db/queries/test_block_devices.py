"""Rows of block devices."""

import uuid

import pytest

from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import cell
from nova_lite.db.queries import block_devices


def device(instance_uuid: str, name: str, volume_id: str) -> objects.BlockDeviceMapping:
    return objects.BlockDeviceMapping(
        uuid=str(uuid.uuid4()),
        instance_uuid=instance_uuid,
        source_type="volume",
        destination_type="volume",
        device_name=name,
        volume_id=volume_id,
    )


def test_a_server_has_a_volume_and_a_name_once(database: session.Database) -> None:
    """S181, D3: in the table ``block_device_mapping``, whoever races."""
    assert cell.block_device_mapping.name == "block_device_mapping"
    server, volume = str(uuid.uuid4()), str(uuid.uuid4())
    with database.cell.write() as tx:
        block_devices.add(tx, [device(server, "/dev/vdb", volume)])
        block_devices.add(tx, [device(str(uuid.uuid4()), "/dev/vdb", volume)])
    for double in (
        device(server, "/dev/vdc", volume),
        device(server, "/dev/vdb", str(uuid.uuid4())),
    ):
        with pytest.raises(session.DuplicateKey), database.cell.write() as tx:
            block_devices.add(tx, [double])


def test_what_users_set_is_not_overwritten_by_what_hosts_save(database: session.Database) -> None:
    """A host saves the device it was sent, which may be older than the setting."""
    server, volume = str(uuid.uuid4()), str(uuid.uuid4())
    sent = device(server, "/dev/vdb", volume)
    with database.cell.write() as tx:
        block_devices.add(tx, [sent])
        block_devices.set_delete_on_termination(tx, sent.uuid, True)
        sent.phase = "complete"
        block_devices.save(tx, [sent])
        now = block_devices.get_by_volume(tx, server, volume)
    assert now is not None
    assert (now.phase, now.delete_on_termination) == ("complete", True)
