"""How a server's volume looks to a client."""

import typing

from nova_lite import objects
from nova_lite.api import microversion

View: typing.TypeAlias = dict[str, typing.Any]


def created(version: microversion.Version, device: objects.BlockDeviceMapping) -> View:
    """The answer to an attach; has ``id`` at every version."""
    view: View = {
        "id": device.volume_id,
        "serverId": device.instance_uuid,
        "volumeId": device.volume_id,
        "device": device.device_name,
    }
    return view | _later(version, device)


def detail(version: microversion.Version, device: objects.BlockDeviceMapping) -> View:
    """An attachment in lists and alone."""
    view = created(version, device)
    if version >= microversion.ATTACHMENT_IDS:
        del view["id"]
        view["attachment_id"] = device.attachment_id
        view["bdm_uuid"] = device.uuid
    return view


def _later(version: microversion.Version, device: objects.BlockDeviceMapping) -> View:
    view: View = {}
    if version >= microversion.TAGS_IN_ATTACHMENTS:
        view["tag"] = device.tag
    if version >= microversion.DELETE_ON_TERMINATION_IN_ATTACHMENTS:
        view["delete_on_termination"] = device.delete_on_termination
    return view
