"""With whose connector a legacy connection is terminated."""

import json
import logging
import typing
import uuid
from unittest import mock

import pytest

from nova_lite import context
from nova_lite import objects
from nova_lite import states
from nova_lite.virt import interface
from nova_lite.volume import cinder
from nova_lite.volume import flow
from nova_lite.volume import flow_connections
from nova_lite.volume import records
from tests.unit.volume import test_creation

CTXT = context.RequestContext(overwrite=False)
A, B, C = ({"host": name, "ip": f"10.0.0.{number}"} for number, name in enumerate("abc", 1))


@pytest.mark.parametrize(
    ("stashed", "local", "instance_host", "wanted", "level"),
    [
        # The server is here, as nearly always.
        (A, A, "a", A, None),
        (A, A, None, A, None),
        (None, A, "a", A, None),
        (B, A, "a", A, None),
        # It is on a, and b detaches for it (an evacuation): the three cases.
        (A, B, "a", A, None),
        (None, B, "a", B, logging.WARNING),
        (C, B, "a", B, logging.ERROR),
        # No host takes part: its own is down (B10).
        (A, None, "a", A, None),
        (A, None, None, A, None),
        (C, None, "a", None, None),
        (None, None, "a", None, None),
    ],
)
def test_the_three_cases(
    stashed: typing.Any,
    local: typing.Any,
    instance_host: str | None,
    wanted: typing.Any,
    level: int | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """S213."""
    with caplog.at_level(logging.WARNING):
        found = flow_connections.connector_of(stashed, local, instance_host)
    assert found == wanted
    assert [record.levelno for record in caplog.records] == ([] if level is None else [level])


def test_a_release_uses_it() -> None:
    """S213, S214: terminate_connection with the host's connector that has it, then
    detach."""
    server, volume_id = str(uuid.uuid4()), str(uuid.uuid4())
    client = mock.create_autospec(cinder.CinderClient, instance=True)
    use = records.VolumeUse("attachment", server, "/dev/vdb")
    client.get_volume.return_value = test_creation.volume_of(attachments=(use,))
    volumes = mock.create_autospec(interface.VolumeOps, instance=True)
    volumes.connector.return_value = B
    volumes.users.return_value = frozenset({server})
    info = {"driver_volume_type": "local", "data": {}, "serial": volume_id, "connector": A}
    bdm = objects.BlockDeviceMapping(
        uuid=str(uuid.uuid4()),
        instance_uuid=server,
        volume_id=volume_id,
        connection_info=json.dumps(info),
        phase=states.DevicePhase.COMPLETE.value,
    )
    way = flow.flow_for(CTXT, bdm, client, volumes, instance_host="a")
    way.release(CTXT, bdm)
    client.terminate_connection.assert_called_once_with(CTXT, volume_id, A)
    client.detach_volume.assert_called_once_with(CTXT, volume_id, "attachment")
