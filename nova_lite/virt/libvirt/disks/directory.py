"""A server's directory: its disks, their recorded formats and its console."""

import collections.abc
import json
import os
import pathlib
import shutil
import struct
import uuid

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import durable
from nova_lite import exceptions

_QCOW2_HEADER = struct.Struct(">4sIQI")
"""Magic, version, offset and length of the backing file's name."""


class InstanceDirectory:
    """``<instances_path>/<uuid>`` (S85).

    ``disk.info`` records each disk's format, so that no format is ever taken
    from bytes that a guest could write (S89).
    """

    def __init__(self, conf: cfg.ConfigOpts, instance_uuid: str) -> None:
        # Normalised, so that no path can hide in it.
        self.path = pathlib.Path(conf.compute.instances_path) / str(uuid.UUID(instance_uuid))
        self.console = self.path / "console.log"
        self._info = self.path / "disk.info"

    def make(self) -> None:
        """The directory with an empty console. There already is success."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.console.touch(exist_ok=True)

    def remove(self) -> None:
        """The directory with everything in it. Gone is success."""
        if self.path.exists():
            shutil.rmtree(self.path)

    def path_of(self, file_name: str) -> pathlib.Path:
        """Where a disk is, or will be."""
        return self.path / file_name

    def record_formats(self, formats: collections.abc.Mapping[str, str]) -> None:
        """Write down the format of each disk, by file name."""
        content = {str(self.path_of(name)): fmt for name, fmt in formats.items()}
        text = json.dumps(content, indent=1) + "\n"
        concurrency.in_native_thread(durable.write_text, self._info, text)

    def formats(self) -> dict[str, str]:
        """The recorded format of each disk, by file name."""
        try:
            content = json.loads(self._info.read_text())
        except FileNotFoundError:
            return {}
        return {pathlib.Path(path).name: fmt for path, fmt in content.items()}

    def format_of(self, file_name: str) -> str:
        """The recorded format of one disk.

        :raises nova_lite.exceptions.HypervisorError: none was recorded; it
            will not be guessed.
        """
        try:
            return self.formats()[file_name]
        except KeyError:
            reason = f"{self._info} has no format for {file_name}"
            raise exceptions.HypervisorError(reason=reason) from None

    def bases(self) -> set[str]:
        """Names of the base files its disks are on.

        Read from the headers of files that are qcow2 on record: QEMU alone
        writes those, never a guest.
        """
        qcow2 = (self.path_of(name) for name, fmt in self.formats().items() if fmt == "qcow2")
        names = {_backing_file(path) for path in qcow2}
        return {pathlib.Path(name).name for name in names if name}


def _backing_file(path: pathlib.Path) -> str | None:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        # On record, but not made yet, or removed just now.
        return None
    with file:
        magic, _version, offset, size = _QCOW2_HEADER.unpack(file.read(_QCOW2_HEADER.size))
        if magic != b"QFI\xfb":
            raise exceptions.HypervisorError(reason=f"{path} is recorded as qcow2 and is not")
        if not offset:
            return None
        file.seek(offset)
        return os.fsdecode(file.read(size))


def list_instances(conf: cfg.ConfigOpts) -> list[str]:
    """UUIDs of the servers that have a directory."""
    root = pathlib.Path(conf.compute.instances_path)
    if not root.exists():
        return []
    return [entry.name for entry in root.iterdir() if entry.is_dir() and _is_uuid(entry.name)]


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
