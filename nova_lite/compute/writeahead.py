"""What this host is doing, in files that outlive the process.

The journal in the database learns of an operation at its begin, every few
seconds, and at its end. Between these, each step is written here before it
runs, which costs no message; recovery reads the files when the process starts
again. They hold connection information, so only their owner may read them.
"""

import collections.abc
import dataclasses
import json
import logging
import os
import pathlib
import typing

from nova_lite import objects
from nova_lite.objects import wire

LOG = logging.getLogger(__name__)


@dataclasses.dataclass
class Unfinished:
    """An operation that a process left behind."""

    entry: "Entry | None"
    """None if the file is lost and the database is all that is known."""
    operation: objects.Operation
    instance: objects.Instance
    devices: list[objects.BlockDeviceMapping]
    steps: list[str]
    outcome: objects.Outcome | None = None
    """Set if it is known how it ended, and only telling the conductor was left."""
    reschedule: bool = False
    """The conductor must be told to try the next host."""
    is_half_undone: bool = False
    """It failed, and not all of it could be undone: that comes before telling."""

    def save(self, device: objects.BlockDeviceMapping) -> None:
        """A device has changed while the operation was taken up."""
        if self.entry is not None:
            self.entry.device(device)


class Entry:
    """The file of one operation. A record that was cut, by a power failure, makes room
    for what is written next."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.is_new = not path.exists()
        self._fd: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if not self.is_new:
            os.ftruncate(self._fd, _whole(path.read_bytes()).length)

    def begin(
        self,
        operation: objects.Operation,
        instance: objects.Instance,
        devices: collections.abc.Iterable[objects.BlockDeviceMapping],
    ) -> None:
        """The operation and all it is about."""
        self._append("operation", operation.obj_to_primitive())
        self._append("instance", instance.obj_to_primitive())
        self.devices(devices)

    def devices(self, devices: collections.abc.Iterable[objects.BlockDeviceMapping]) -> None:
        """What the database knows of the operation's devices."""
        for device in devices:
            self._append("device", device.obj_to_primitive())

    def step(self, name: str) -> None:
        """A step is about to run."""
        self._append("step", name)

    def device(self, device: objects.BlockDeviceMapping) -> None:
        """A device has changed. Synced to disk: it may name what exists outside
        of this host and can be found by this record alone."""
        self._append("device", device.obj_to_primitive(), sync=True)

    def outcome(
        self,
        outcome: objects.Outcome,
        *,
        reschedule: bool = False,
        is_half_undone: bool = False,
    ) -> None:
        """All is done, or undone as far as it could be; the conductor must be told."""
        if is_half_undone:
            self._append("half_undone", True)
        kind = "reschedule" if reschedule else "outcome"
        self._append(kind, outcome.obj_to_primitive(), sync=True)

    def close(self) -> None:
        """Stop to write, keep the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def remove(self) -> None:
        """The conductor knows everything: forget it."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _append(self, kind: str, value: typing.Any, *, sync: bool = False) -> None:
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        line = json.dumps([kind, value], separators=(",", ":")) + "\n"
        os.write(self._fd, line.encode())
        if sync:
            os.fdatasync(self._fd)


class WriteAheadLog:
    """The folder of all entries of this host."""

    def __init__(self, folder: str) -> None:
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open(self, operation_id: str) -> Entry:
        """A new entry, or a further chapter of one that exists."""
        return Entry(self._folder / f"{operation_id}.jsonl")

    def ids(self) -> set[str]:
        """Ids of the operations that have an entry, running or left behind."""
        return {path.stem for path in self._folder.glob("*.jsonl")}

    def load(self, active: collections.abc.Container[str]) -> list[Unfinished]:
        """What was left behind, oldest first; not the operations in ``active``."""
        paths = sorted(self._folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
        found = []
        for path in paths:
            if path.stem in active:
                continue
            unfinished = _read(path)
            if unfinished is None:
                # It died before the first record was whole: nothing had begun.
                path.unlink()
            else:
                found.append(unfinished)
        return found


class _Whole(typing.NamedTuple):
    """What can be relied on of a file."""

    records: list[tuple[str, typing.Any]]
    length: int
    """Of the file up to their end, in bytes."""


def _whole(content: bytes) -> _Whole:
    """The records before the first that is damaged. None that was synced follows it:
    syncing one syncs all before it."""
    records, length = [], 0
    *lines, _cut = content.split(b"\n")
    for line in lines:
        try:
            kind, value = json.loads(line)
        except ValueError:
            break
        records.append((kind, value))
        length += len(line) + 1
    return _Whole(records, length)


def _read(path: pathlib.Path) -> Unfinished | None:
    content = path.read_bytes()
    records, length = _whole(content)
    if length < len(content):
        LOG.warning("%s ends in the middle of a record", path)
    last = {kind: value for kind, value in records if kind not in ("device", "step")}
    if "operation" not in last or "instance" not in last:
        return None
    devices = {
        device.uuid: device
        for device in (_object(value) for kind, value in records if kind == "device")
    }
    outcome = last.get("reschedule") or last.get("outcome")
    return Unfinished(
        Entry(path),
        _object(last["operation"]),
        _object(last["instance"]),
        list(devices.values()),
        [value for kind, value in records if kind == "step"],
        _object(outcome) if outcome else None,
        "reschedule" in last,
        "half_undone" in last,
    )


def _object(primitive: typing.Any) -> typing.Any:
    return wire.WireObject.obj_from_primitive(primitive)
