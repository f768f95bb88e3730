"""``/servers/{server_id}/os-volume_attachments``: list, show, update.

Attaching and detaching have modules of their own.
"""

import typing

from oslo_utils import strutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.api import microversion
from nova_lite.api import paging
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import load
from nova_lite.api.shapes import NOTHING
from nova_lite.api.volume_attachments import policy
from nova_lite.api.volume_attachments import schemas
from nova_lite.api.volume_attachments import swap
from nova_lite.api.volume_attachments import views
from nova_lite.db.queries import block_devices


@validation.answers({200: schemas.LISTED})
def index(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``GET …/os-volume_attachments``."""
    server = load.record(req, server_id)
    req.authorize(policy.INDEX, load.target(server))
    query = req.query(schemas.INDEX)
    with req.database.cell.read() as tx:
        devices = block_devices.list_for_instance(tx, server_id)
    offset = int(query.get("offset", ["0"])[-1])
    shown = [device for device in devices if _is_shown(req, device)]
    page = shown[offset : offset + paging.limit(req, query)]
    return {"volumeAttachments": [views.detail(req.version, device) for device in page]}


@validation.answers({200: schemas.SHOWN})
def show(req: request.Request, server_id: str, volume_id: str) -> dict[str, typing.Any]:
    """``GET …/os-volume_attachments/{volume_id}``."""
    server = load.record(req, server_id)
    req.authorize(policy.SHOW, load.target(server))
    device = load_device(req, server_id, volume_id)
    if not _is_shown(req, device):
        raise _no_attachment(server_id, volume_id)
    return {"volumeAttachment": views.detail(req.version, device)}


@validation.answers({202: NOTHING})
def update(req: request.Request, server_id: str, volume_id: str) -> request.Response:
    """``PUT …/os-volume_attachments/{volume_id}``: delete_on_termination, or
    another volume in its place (:mod:`.swap`)."""
    server = load.record(req, server_id)
    body = req.body(schemas.UPDATE)["volumeAttachment"]
    is_swap = body["volumeId"] != volume_id or req.version < microversion.UPDATE_ATTACHMENT
    req.authorize(policy.SWAP if is_swap else policy.UPDATE, load.target(server))
    load.refuse_locked(req, server)
    device = load_device(req, server_id, volume_id)
    if is_swap:
        return swap.swap(req, device, body["volumeId"])
    _refuse_changes(body, device)
    if "delete_on_termination" in body:
        value = strutils.bool_from_string(body["delete_on_termination"], strict=True)
        with req.database.cell.read() as tx:
            block_devices.set_delete_on_termination(tx, device.uuid, value)
    return request.ACCEPTED


def _refuse_changes(body: dict[str, typing.Any], device: objects.BlockDeviceMapping) -> None:
    present = {
        "device": device.device_name,
        "tag": device.tag,
        "serverId": device.instance_uuid,
        "id": device.volume_id,
        "attachment_id": device.attachment_id,
        "bdm_uuid": device.uuid,
    }
    for name, value in present.items():
        if name in body and body[name] != value:
            raise exceptions.InvalidInput(
                f"{name} of an attachment cannot be changed; only delete_on_termination can."
            )


def load_device(
    req: request.Request, server_id: str, volume_id: str
) -> objects.BlockDeviceMapping:
    """The server's device of a volume.

    :raises exceptions.NotFound: it has none.
    """
    with req.database.cell.read() as tx:
        device = block_devices.get_by_volume(tx, server_id, volume_id)
    if device is None:
        raise _no_attachment(server_id, volume_id)
    return device


def _is_shown(req: request.Request, device: objects.BlockDeviceMapping) -> bool:
    """From 2.89 on a volume that is not reserved yet is hidden, as in Nova:
    clients poll until it appears (B14-5)."""
    if not device.volume_id:
        return False
    if req.version < microversion.ATTACHMENT_IDS:
        return True
    return device.attachment_id is not None or device.phase == states.DevicePhase.COMPLETE


def _no_attachment(server_id: str, volume_id: str) -> exceptions.NotFound:
    return exceptions.NotFound(f"Instance {server_id} is not attached to volume {volume_id}.")
