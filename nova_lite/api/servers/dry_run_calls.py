"""The calls of Cinder that each device of a new server costs, in order.

A picture of what :mod:`nova_lite.blockdev.types` and
:mod:`nova_lite.volume.flow_attachments` send; a test compares the two. In braces is
what only the host or Cinder's answers will tell. Left out are the reads by which a
request is checked, which a dry run makes too.
"""

import typing

from nova_lite import objects
from nova_lite.volume import creation

Call: typing.TypeAlias = dict[str, typing.Any]

SOURCE, SOURCE_TYPE = "{volume of the snapshot}", "{type of the volume of the snapshot}"
SERVER, VOLUME, ATTACHMENT, CONNECTOR = "{server}", "{volume}", "{attachment}", "{connector}"
DEVICE = "{device}"


def of(device: objects.BlockDeviceMapping, availability_zone: str | None) -> list[Call]:
    """The calls for one device; none for a local disk.

    :param availability_zone: of new volumes; None leaves it to Cinder.
    """
    if not device.is_volume:
        return []
    if device.source_type == "volume":
        # The API reserves what exists, before anybody looks for a host.
        return [_reserve(device.volume_id, by="api"), *_connect(device.volume_id)]
    return [
        *_make(device, availability_zone),
        _reserve(VOLUME, by="compute"),
        *_connect(VOLUME),
    ]


def _call(method: str, path: str, body: Call | None = None, *, by: str = "compute") -> Call:
    call: Call = {"by": by, "call": f"{method} {path}"}
    return call if body is None else call | {"body": body}


def _make(device: objects.BlockDeviceMapping, availability_zone: str | None) -> list[Call]:
    calls, volume_type = [], device.volume_type
    if device.source_type == "snapshot":
        calls.append(_call("GET", f"/snapshots/{device.snapshot_id}"))
        if not volume_type:
            # The new volume is of the same type as the one that was photographed.
            calls.append(_call("GET", f"/volumes/{SOURCE}"))
            volume_type = SOURCE_TYPE
    name = f"{SERVER}-blank-vol" if device.source_type == "blank" else ""
    wanted = {
        "size": device.volume_size,
        "name": name,
        "description": "",
        "imageRef": device.image_id if device.source_type == "image" else None,
        "snapshot_id": device.snapshot_id if device.source_type == "snapshot" else None,
        "volume_type": volume_type,
        "availability_zone": availability_zone,
        "metadata": {creation.DEVICE_KEY: DEVICE},
    }
    body = {"volume": {key: value for key, value in wanted.items() if value is not None}}
    # The second is repeated until the volume is there.
    return [*calls, _call("POST", "/volumes", body), _call("GET", f"/volumes/{VOLUME}")]


def _reserve(volume_id: str, *, by: str) -> Call:
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": SERVER}}
    return _call("POST", "/attachments", body, by=by)


def _connect(volume_id: str) -> list[Call]:
    path = f"/attachments/{ATTACHMENT}"
    return [
        _call("GET", f"/volumes/{volume_id}"),
        _call("PUT", path, {"attachment": {"connector": CONNECTOR}}),
        _call("POST", f"{path}/action", {"os-complete": None}),
    ]
