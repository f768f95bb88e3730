"""Deleting servers that no host can delete: they never had one, or it is down."""

import logging

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.conductor import owner
from nova_lite.conductor import updates
from nova_lite.db import session
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import operations
from nova_lite.image import glance
from nova_lite.image import unfinished
from nova_lite.volume import cinder
from nova_lite.volume import removal

LOG = logging.getLogger(__name__)

MAX_TRIES = 3
"""How often a volume that cannot be released is tried before the server goes
without it; what is left is named in the journal."""


class Deleter:
    """Local delete: volumes, allocation and rows; the guest, if there is one on
    a dead host, is removed when that host returns."""

    def __init__(
        self,
        host: str,
        database: session.Database,
        client: cinder.CinderClient,
        images: glance.GlanceClient,
        writer: updates.Updates,
    ) -> None:
        self._host = host
        self._database = database
        self._cinder = client
        self._glance = images
        self._updates = writer

    def delete(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        """Do it, or leave it to the reaper to try again when Cinder fails.

        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        """
        arguments = dict(operation.arguments)
        arguments["tries"] = arguments.get("tries", 0) + 1
        operation = self._database.cell.transact(
            operations.hand_over,
            operation,
            owner=owner.new_claim(self._host),
            step="release_volumes",
            arguments=arguments,
        )
        with self._database.cell.read() as connection:
            devices = block_devices.list_for_instance(connection, operation.instance_uuid)
        superseded = operation.superseded
        left = removal.release_all(ctxt, self._cinder, devices, None, superseded)
        if superseded or any(device.is_volume for device in devices):
            left += self._release_strays(ctxt, operation, devices)
        left += self._remove_images(ctxt, superseded)
        if left and arguments["tries"] < MAX_TRIES:
            LOG.warning(
                "Delete of %s is tried again later: %s", operation.instance_uuid, "; ".join(left)
            )
            return
        message = f"Left behind: {'; '.join(left)}" if left else None
        self._updates.finish(operation, objects.Outcome(succeeded=True, message=message))
        LOG.info("Deleted %s", operation.instance_uuid)

    def _release_strays(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        devices: list[objects.BlockDeviceMapping],
    ) -> list[str]:
        try:
            removal.release_strays(
                ctxt, self._cinder, operation.instance_uuid, devices, operation.superseded
            )
        except exceptions.NovaLiteError as error:
            return [f"attachments: {error.message}"]
        return []

    def _remove_images(
        self, ctxt: context.RequestContext, superseded: list[objects.Operation]
    ) -> list[str]:
        left = []
        for operation in superseded:
            if operation.action not in unfinished.ACTIONS:
                continue
            try:
                unfinished.remove_unless_whole(ctxt, self._glance, self._cinder, operation)
            except exceptions.NovaLiteError as error:
                left.append(f"image {operation.arguments['image_id']}: {error.message}")
        return left
