"""Which servers this host is connected to a volume for.

Several servers of one host may share a volume, but the host is connected to it
once: the first one's connection serves all, and ends with the last one's (D19, D34).
Who they are is counted by this host's own record, a file a volume, since no other
source is right at each moment: Cinder's list and the database change before or
after the host does, and another host's servers are in them too.
"""

import collections.abc
import contextlib
import json
import pathlib
import urllib.parse

from nova_lite import concurrency
from nova_lite import durable
from nova_lite import locks

DIRECTORY = "volume_users"
"""Below ``$state_path``."""
_SUFFIX = ".json"


class VolumeUsers:
    """The record, and a lock a volume under which its host's side changes.

    Of a mounted share the same is kept in another directory: which volumes use it.
    """

    def __init__(self, state_path: str, directory: str = DIRECTORY) -> None:
        self._directory = pathlib.Path(state_path) / directory
        self._locks = locks.Locks()

    def of(self, volume_id: str) -> frozenset[str]:
        """UUIDs of the servers."""
        try:
            return frozenset(json.loads(self._path(volume_id).read_text()))
        except FileNotFoundError:
            return frozenset()

    def all(self) -> dict[str, frozenset[str]]:
        """UUIDs of the servers, by volume."""
        if not self._directory.exists():
            return {}
        ids = [
            urllib.parse.unquote(path.name.removesuffix(_SUFFIX))
            for path in self._directory.iterdir()
            if path.name.endswith(_SUFFIX)
        ]
        users = {volume_id: self.of(volume_id) for volume_id in sorted(ids)}
        return {volume_id: found for volume_id, found in users.items() if found}

    @contextlib.contextmanager
    def joining(self, volume_id: str, instance_uuid: str) -> collections.abc.Iterator[None]:
        """Hold the volume's lock, with the server recorded before the body
        connects: a process that dies in it leaves what says so."""
        with self._locks.hold(volume_id, f"connect it for {instance_uuid}"):
            users = self.of(volume_id)
            if instance_uuid not in users:
                self._write(volume_id, users | {instance_uuid})
            yield

    @contextlib.contextmanager
    def leaving(self, volume_id: str, instance_uuid: str) -> collections.abc.Iterator[bool]:
        """Hold the volume's lock, and forget the server once the body has ended
        well. The body is told whether nobody else needs the connection."""
        with self._locks.hold(volume_id, f"disconnect it for {instance_uuid}"):
            users = self.of(volume_id)
            others = users - {instance_uuid}
            yield not others
            if others != users:
                self._write(volume_id, others)

    def _write(self, volume_id: str, users: frozenset[str]) -> None:
        path = self._path(volume_id)
        if users:
            concurrency.in_native_thread(durable.write_text, path, json.dumps(sorted(users)))
        else:
            concurrency.in_native_thread(durable.remove, path)

    def _path(self, volume_id: str) -> pathlib.Path:
        return self._directory / f"{urllib.parse.quote(volume_id, safe='')}{_SUFFIX}"
