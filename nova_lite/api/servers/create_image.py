"""``createImage``: an image of a server as it is now.

The image gets its id and its entry in the journal first, then its record in Glance;
so whoever dies, it is filled by the server's host or it is deleted.
"""

import contextlib
import typing

from oslo_utils import uuidutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import transitions
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import load
from nova_lite.api.servers import metadata
from nova_lite.api.servers import placement
from nova_lite.api.servers import policy
from nova_lite.api.servers import schemas
from nova_lite.api.servers import shapes
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import operations
from nova_lite.image import of_server

Devices: typing.TypeAlias = list[objects.BlockDeviceMapping]


@validation.answers({202: shapes.IMAGE_CREATED})
def create_image(req: request.Request, server_id: str) -> request.Response:
    """``createImage``: 202 with the image's address, or, from 2.45 on, its id.

    A lock does not matter: the server is not changed.
    """
    instance = load.instance(req, server_id)
    req.authorize(policy.CREATE_IMAGE, load.target(instance))
    wanted = req.body(schemas.CREATE_IMAGE)["createImage"]
    properties = wanted.get("metadata", {})
    if req.version < microversion.NO_IMAGE_METADATA_LIMIT:
        metadata.check_count(req, req.ctxt.project_id, len(properties))
    transition = transitions.CREATE_IMAGE
    if instance.boots_from_volume:
        transition = transitions.SNAPSHOT_VOLUMES
        req.authorize(policy.CREATE_IMAGE_OF_VOLUMES, load.target(instance))
    transition.check(instance)
    _refuse_required_quiesce(instance)
    host = placement.host_up(req, instance)
    devices = _devices(req, instance)
    image = of_server.describe(
        req.ctxt,
        instance,
        _source_of(req, instance),
        image_id=uuidutils.generate_uuid(),
        name=wanted["name"].strip(),
        metadata=properties,
    )
    operation = _prepare(req, instance, transition, image, host)
    req.services.compute.create_image(req.ctxt, host, instance, operation, devices)
    return _answer(req, str(image.id))


def _refuse_required_quiesce(instance: objects.Instance) -> None:
    """A guest's file systems cannot be frozen here; an image may insist on it.

    :raises exceptions.Conflict: it does, and the server runs.
    """
    properties = instance.system_metadata.get("image_properties", {})
    required = str(properties.get("os_require_quiesce", "")).lower() in ("1", "true", "yes")
    if required and instance.vm_state == "active":
        raise exceptions.Conflict(
            reason=f"The image of instance {instance.uuid} has os_require_quiesce, and this "
            "service cannot freeze the file systems of a running server; stop it first."
        )


def _devices(req: request.Request, instance: objects.Instance) -> Devices:
    """The server's devices; each of a server's volumes can have a snapshot.

    :raises exceptions.Conflict: a volume is still being made.
    :raises exceptions.QuotaExceeded: Cinder would refuse one of the snapshots.
    """
    with req.database.cell.read() as tx:
        devices = block_devices.list_for_instance(tx, instance.uuid)
    if not instance.boots_from_volume:
        return devices
    volumes = [device for device in devices if device.is_volume]
    quota = req.services.cinder.snapshot_quota(req.ctxt)
    if 0 <= quota.limit < quota.used + len(volumes):
        raise exceptions.QuotaExceeded(
            resource="snapshots", requested=len(volumes), used=quota.used, limit=quota.limit
        )
    return devices


def _source_of(req: request.Request, instance: objects.Instance) -> objects.ImageMeta | None:
    with req.database.api.read() as tx:
        spec = build_requests.get_spec(tx, instance.uuid)
    return spec.image if spec is not None else None


def _prepare(
    req: request.Request,
    instance: objects.Instance,
    transition: transitions.Transition,
    image: objects.ImageMeta,
    host: str,
) -> objects.Operation:
    """Record the operation, make the image's record, and give the operation to the
    host; on a failure nothing is left behind.

    :raises exceptions.NovaLiteError: Glance refuses.
    """
    glance = req.services.glance
    operation = req.database.cell.transact(
        operations.start,
        req.ctxt,
        instance,
        transition,
        owner=build_requests.API_OWNER,
        step=operations.STEP_RESERVE,
        arguments={"image_id": image.id, "image_name": image.name},
    )
    try:
        glance.create_image(req.ctxt, image)
    except exceptions.NovaLiteError as error:
        if isinstance(error, exceptions.RemoteServiceError):
            # Its answer may be all that was lost; if this fails too, the entry stays
            # open and the reaper sees to it.
            glance.delete_image(req.ctxt, str(image.id))
        with contextlib.suppress(exceptions.OperationSuperseded):
            req.database.cell.transact(operations.give_up, operation, error.message)
        raise
    try:
        return req.database.cell.transact(operations.hand_over, operation, owner=host)
    except exceptions.OperationSuperseded as error:
        # The server was deleted, or the reaper took us for dead.
        glance.delete_image(req.ctxt, str(image.id))
        raise exceptions.Conflict(
            reason=f"Instance {instance.uuid} changed while an image of it was made."
        ) from error


def _answer(req: request.Request, image_id: str) -> request.Response:
    if req.version >= microversion.IMAGE_ID_IN_BODY:
        return request.Response(202, {"image_id": image_id})
    location = req.services.glance.image_url(req.ctxt, image_id)
    return request.Response(202, headers={"Location": location})
