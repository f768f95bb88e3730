"""The slow half of new volumes and snapshots: a thread copies the data.

The record is ``creating`` or ``downloading`` meanwhile, and ``available`` or
``error`` after; a failure is logged and its reason kept in the record. Threads are
green where the process is.
"""

import collections.abc
import logging
import os
import threading
import typing

from nova_lite import context
from nova_lite import exceptions
from nova_lite.image import glance
from nova_lite.standalone import store
from nova_lite.standalone import volume_files
from nova_lite.standalone import volume_records
from nova_lite.standalone import web

LOG = logging.getLogger(__name__)

AVAILABLE: store.Document = {"status": "available"}


class Maker:
    """Fills new volumes and snapshots with data."""

    def __init__(self, conf: typing.Any, volumes: volume_records.VolumeStore) -> None:
        self._volumes = volumes
        self._glance = glance.GlanceClient(conf)

    def blank(self, volume: store.Document) -> None:
        """Make an empty volume: at once, or, for LUKS takes its time, in a thread."""
        volumes = self._volumes
        path, passphrase = volumes.path("volume", volume["id"]), volumes.passphrase(volume)
        if passphrase is None:
            volumes.files.create_blank(path, volume["size"])
            volumes.settle("volume", volume["id"], AVAILABLE)
            return

        def work() -> store.Document:
            volumes.files.create_encrypted(path, volume["size"], passphrase)
            return AVAILABLE

        self._in_thread("volume", volume["id"], work)

    def copy(
        self, kind: str, document: store.Document, source: str, changes: store.Document
    ) -> None:
        """Copy the data at ``source`` to the volume or snapshot, in a thread."""

        def work() -> store.Document:
            path = self._volumes.path(kind, document["id"])
            self._volumes.files.copy(
                source,
                path,
                document["size"],
                is_encrypted=bool(document.get("encryption_key_id")),
            )
            return AVAILABLE | changes

        self._in_thread(kind, document["id"], work)

    def from_image(self, identity: web.Identity, volume: store.Document, image_id: str) -> None:
        """Fetch the image over HTTP and convert it, in a thread."""
        ctxt = context.RequestContext(
            user_id=identity.user_id,
            project_id=identity.project_id,
            is_admin=identity.is_admin,
            overwrite=False,
        )

        def work() -> store.Document:
            image = self._glance.get_image(ctxt, image_id)
            if image.status != "active":
                raise volume_files.Unusable(f"Image {image_id} is {image.status}")
            if volume["size"] < image.min_disk_gib:
                raise volume_files.Unusable(
                    f"Image {image_id} needs a volume of {image.min_disk_gib} GiB"
                )
            self._volumes.settle("volume", volume["id"], {"status": "downloading"})
            path = self._volumes.path("volume", volume["id"])
            download = volume_files.download_path(path)
            try:
                self._glance.download(ctxt, image, download)
                self._volumes.files.convert(
                    volume_files.ImageFile(image_id, download, image.disk_format),
                    path,
                    volume["size"],
                    self._volumes.passphrase(volume),
                )
            finally:
                if os.path.exists(download):
                    os.unlink(download)
            return AVAILABLE | {"bootable": True, "image_metadata": _image_metadata(image)}

        self._in_thread("volume", volume["id"], work)

    def _in_thread(
        self, kind: str, key: str, work: collections.abc.Callable[[], store.Document]
    ) -> None:
        def run() -> None:
            try:
                changes = work()
            except (volume_files.Unusable, exceptions.NovaLiteError, OSError) as error:
                LOG.warning("Making %s %s failed: %s", kind, key, error)
                changes = {"status": "error", "error": str(error)}
            except BaseException:
                self._volumes.settle(kind, key, {"status": "error"})
                raise
            self._volumes.settle(kind, key, changes)
            if self._volumes.records.get(kind, key) is None:
                self._volumes.files.remove(self._volumes.path(kind, key))

        threading.Thread(target=run, name=f"{kind}-{key}", daemon=True).start()


def _image_metadata(image: typing.Any) -> dict[str, str]:
    """What a volume keeps of its image: all values are text, as in Cinder."""
    facts = {
        "image_id": image.id,
        "image_name": image.name,
        "checksum": image.checksum,
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "min_disk": image.min_disk_gib,
        "min_ram": image.min_ram_mib,
        "size": image.size_bytes,
        **image.properties,
    }
    return {key: str(value) for key, value in facts.items() if value is not None}
