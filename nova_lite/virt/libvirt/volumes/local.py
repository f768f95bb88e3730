"""Volumes that are files of this host (``driver_volume_type`` ``local``)."""

import pathlib

from nova_lite import exceptions
from nova_lite.virt import interface
from nova_lite.virt.libvirt.volumes import transports

FORMATS = ("raw", "qcow2")


class LocalTransport(transports.Transport):
    """``data.device_path`` is the file, ``data.format`` raw (default) or qcow2."""

    def connect(self, connection_info: interface.ConnectionInfo) -> None:
        """Check that the file is there; nothing else is to be done."""
        path = pathlib.Path(self.source(connection_info).path)
        if not path.is_file():
            raise exceptions.InvalidVolume(reason=f"{path} is not a file on this host")

    def disconnect(self, connection_info: interface.ConnectionInfo) -> None:
        """Nothing was done."""

    def source(self, connection_info: interface.ConnectionInfo) -> transports.Source:
        """The file, in the format that Cinder says."""
        return file_source(connection_info)


def file_source(connection_info: interface.ConnectionInfo) -> transports.Source:
    """The file at ``data.device_path``.

    :raises nova_lite.exceptions.InvalidVolume: its format is none we open.
    """
    disk_format = connection_info.get("data", {}).get("format") or "raw"
    if disk_format not in FORMATS:
        raise exceptions.InvalidVolume(reason=f"its format is {disk_format!r}")
    return transports.Source(transports.device_path_of(connection_info), disk_format, "file")
