"""Consoles of libvirt's guests: :class:`nova_lite.virt.interface.ConsoleOps`."""

import pathlib

from oslo_config import cfg

from nova_lite.virt import interface
from nova_lite.virt.libvirt.disks import directory


class FileConsoles(interface.ConsoleOps):
    """Reads what a serial port wrote to its file.

    virtlogd rotates the file: ``console.log.0`` is older than ``console.log``.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def output(self, instance_uuid: str) -> bytes:
        """The end of the text. A guest that never ran has none."""
        newest = directory.InstanceDirectory(self._conf, instance_uuid).console
        text = b""
        for path in (newest, newest.with_name(newest.name + ".0")):
            missing = interface.CONSOLE_BYTES_KEPT - len(text)
            if missing > 0:
                text = _tail(path, missing) + text
        return text


def _tail(path: pathlib.Path, size_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size_bytes))
            return file.read(size_bytes)
    except FileNotFoundError:
        return b""
