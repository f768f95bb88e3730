"""Copies of root disks that are files: :class:`nova_lite.virt.interface.SnapshotOps`.

Of a running guest QEMU makes the copy itself, as a backup job: what the guest
overwrites while the job runs is copied before, so the file holds one moment and the
guest is never halted. The disk of a guest that is off is copied by qemu-img. Either
way the copy is flat, and formats come from our record, never from bytes (S89).
"""

import collections.abc
import logging
import pathlib

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.image import convert
from nova_lite.virt import interface
from nova_lite.virt import snapshot_folder
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt import ownership
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.disks import directory

LOG = logging.getLogger(__name__)

ROOT = "disk"
"""The file name of root disks (:mod:`nova_lite.virt.libvirt.disks.plan`)."""

_POLL_S = 0.2
_ABORT_TIMEOUT_S = 30.0


class FileSnapshots(interface.SnapshotOps):
    """Snapshots of files in servers' directories."""

    def __init__(self, conf: cfg.ConfigOpts, own: ownership.OwnGuests) -> None:
        self._conf = conf
        self._own = own
        self._qemu_img = convert.QemuImg(conf)

    def take(self, instance_uuid: str, snapshot_id: str) -> None:
        """Begin the backup job of a running guest. The disk of one that is off
        does not change by itself.

        :raises nova_lite.exceptions.HypervisorError: there is no local root disk,
            or another job runs on the guest.
        """
        found = self._own.get(instance_uuid)
        files = directory.InstanceDirectory(self._conf, instance_uuid)
        disk_format = self._format_for(files)
        copy = self._copy(snapshot_id)
        copy.parent.mkdir(parents=True, exist_ok=True)
        live = found.live()
        if live is None:
            return
        source = str(files.path_of(ROOT))
        others = tuple(disk.target for disk in live.disks if disk.source != source)
        target = next((disk.target for disk in live.disks if disk.source == source), None)
        if target is None:
            reason = f"guest {instance_uuid} runs without {source}"
            raise exceptions.HypervisorError(reason=reason)
        found.begin_backup(xml.Backup(target, str(copy), disk_format, others))

    def publish(self, instance_uuid: str, snapshot_id: str) -> str | None:
        """Files are this host's: there is no other way than to upload them."""
        return None

    def make_independent(self, instance_uuid: str, snapshot_id: str) -> None:
        """Nothing was published."""

    def unpublish(self, instance_uuid: str, snapshot_id: str) -> None:
        """Nothing was published."""

    def extract(
        self,
        instance_uuid: str,
        snapshot_id: str,
        on_progress: collections.abc.Callable[[], object],
    ) -> interface.SnapshotFile:
        """Wait for the backup job, or copy now.

        :raises nova_lite.exceptions.DiskToolFailed: qemu-img failed.
        """
        files = directory.InstanceDirectory(self._conf, instance_uuid)
        copy = self._copy(snapshot_id)
        disk_format = self._format_for(files)
        if copy.exists():
            self._wait(self._own.get(instance_uuid), on_progress)
        else:
            self._qemu_img.convert(files.path_of(ROOT), files.format_of(ROOT), copy, disk_format)
        return interface.SnapshotFile(str(copy), disk_format)

    def discard(self, instance_uuid: str, snapshot_id: str) -> None:
        """Stop our backup job, nobody else's, and remove the copy."""
        try:
            self._abort(self._own.get(instance_uuid), str(self._copy(snapshot_id)))
        except exceptions.GuestNotFound:
            LOG.debug("Guest %s is gone, and its jobs with it", instance_uuid)
        snapshot_folder.remove(self._conf, snapshot_id)

    def list_snapshots(self) -> list[str]:
        """Those that have a folder."""
        return snapshot_folder.list_all(self._conf)

    def _copy(self, snapshot_id: str) -> pathlib.Path:
        return snapshot_folder.path_of(self._conf, snapshot_id) / ROOT

    def _format_for(self, files: directory.InstanceDirectory) -> str:
        """The image's format: as configured, or the disk's own."""
        return self._conf.libvirt.snapshot_image_format or files.format_of(ROOT)

    def _wait(self, found: guest.Guest, on_progress: collections.abc.Callable[[], object]) -> None:
        def is_over() -> bool:
            on_progress()
            return found.backup() is None

        timeout_s: float = self._conf.libvirt.snapshot_timeout_s
        if not concurrency.wait_until(is_over, timeout_s, _POLL_S):
            reason = f"copying the disk of {found.uuid} took more than {timeout_s:.0f} s"
            raise exceptions.HypervisorError(reason=reason)
        found.require_completed_job()

    def _abort(self, found: guest.Guest, path: str) -> None:
        if not _is_ours(found.backup(), path):
            return
        found.abort_job()
        gone = concurrency.wait_until(
            lambda: not _is_ours(found.backup(), path), _ABORT_TIMEOUT_S, _POLL_S
        )
        if not gone:
            reason = f"the copy of the disk of {found.uuid} cannot be stopped"
            raise exceptions.HypervisorError(reason=reason)


def _is_ours(job: xml.Backup | None, path: str) -> bool:
    return job is not None and job.path == path
