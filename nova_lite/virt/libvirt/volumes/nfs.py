"""Volumes that are files of an NFS share (``driver_volume_type`` ``nfs``)."""

from nova_lite.virt import interface
from nova_lite.virt import volume_users
from nova_lite.virt.libvirt.volumes import local
from nova_lite.virt.libvirt.volumes import transports

_RECORDS = "nfs_users"
"""Directory of the records of mounted shares, below ``$state_path``."""


class NfsTransport(transports.Transport):
    """``data.export`` is the share, ``data.name`` the file, ``data.format`` its format.

    Several volumes may be on one share: it is mounted for the first one and unmounted
    after the last one.
    """

    def __init__(self, tools: transports.Tools) -> None:
        super().__init__(tools)
        self._users = volume_users.VolumeUsers(tools.conf.state_path, _RECORDS)

    def connect(self, connection_info: interface.ConnectionInfo) -> None:
        """Mount the share."""
        data = connection_info["data"]
        export, name = (transports.needed(data, key) for key in ("export", "name"))
        with self._users.joining(export, name):
            found = self._tools.host.connect("NFS", transports.for_os_brick(data))
        data["device_path"] = str(found["path"])

    def disconnect(self, connection_info: interface.ConnectionInfo) -> None:
        """Unmount it if no other volume is used."""
        data = connection_info["data"]
        export, name = (transports.needed(data, key) for key in ("export", "name"))
        with self._users.leaving(export, name) as is_last:
            if is_last:
                self._tools.host.unmount(export)

    def source(self, connection_info: interface.ConnectionInfo) -> transports.Source:
        """The file below the mount point."""
        return local.file_source(connection_info)
