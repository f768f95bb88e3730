"""A cluster and what it tells of itself."""

import collections.abc
import configparser
import contextlib
import json
import typing

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.virt.ceph import pool as rbd_pool
from nova_lite.virt.ceph import session as rados_session
from nova_lite.virt.ceph import types


class Cluster:
    """One cluster as one user. Connections live as long as a ``with`` block."""

    def __init__(self, access: types.Access) -> None:
        self.access = access
        self._fsid: str | None = None

    def fsid(self) -> str:
        """The cluster's identity; asked for once, since it never changes."""
        if self._fsid is None:
            with self._session() as session:
                self._fsid = session.call("the cluster", lambda: str(session.handle.get_fsid()))
        return self._fsid

    def monitors(self) -> list[tuple[str, int]]:
        """Address and port of every monitor, as QEMU can be given them."""
        found = self._ask({"prefix": "mon dump"})
        addresses = [str(each["addr"]).rpartition("/")[0] for each in found["mons"]]
        parts = [address.rpartition(":") for address in addresses]
        return [(host.strip("[]"), int(port)) for host, _, port in parts]

    def capacity_bytes(self, pool: str) -> int:
        """What the pool holds and could still take, copies not counted."""
        for each in self._ask({"prefix": "df"})["pools"]:
            if each["name"] == pool:
                return int(each["stats"]["stored"] + each["stats"]["max_avail"])
        raise exceptions.CephError(reason=f"there is no pool {pool}")

    def key(self) -> str:
        """The user's cephx key: a secret, for libvirt only.

        :raises nova_lite.exceptions.CephError: no keyring that can be read has it.
        """
        user = f"client.{self.access.user or 'admin'}"
        with self._session() as session:
            found = session.call("its keyring", lambda: session.handle.conf_get("keyring"))
            paths = [path.strip() for path in str(found).split(",")]
        for path in paths:
            keyring = configparser.ConfigParser(interpolation=None)
            with contextlib.suppress(OSError, configparser.Error):
                keyring.read(path)
                if keyring.has_option(user, "key"):
                    return keyring.get(user, "key")
        raise exceptions.CephError(reason=f"no key of {user} in {', '.join(paths)}")

    def _ask(self, command: dict[str, str]) -> dict[str, typing.Any]:
        """A monitor's answer to a command."""
        text = json.dumps({**command, "format": "json"})
        with self._session() as session:
            code, answer, error = session.call(
                "the cluster", lambda: session.handle.mon_command(text, b"")
            )
        if code:
            raise exceptions.CephError(reason=f"{command['prefix']}: {error} ({code})")
        return dict(json.loads(answer))

    @contextlib.contextmanager
    def pool(self, name: str, namespace: str = "") -> collections.abc.Iterator[rbd_pool.Pool]:
        """A pool, or a namespace of it, for as long as the body runs.

        :raises nova_lite.exceptions.CephUnavailable: the cluster does not answer.
        :raises nova_lite.exceptions.CephError: there is no such pool.
        """
        with self._session() as session:
            try:
                ioctx = session.open(f"pool {name}", lambda: session.handle.open_ioctx(name))
            except exceptions.RbdImageNotFound:
                raise exceptions.CephError(reason=f"there is no pool {name}") from None
            if namespace:
                session.call(f"pool {name}", lambda: ioctx.set_namespace(namespace))
            yield rbd_pool.Pool(name, session, ioctx)

    def cut_off(self, clone: types.Clone) -> None:
        """Flatten a clone, be it in the trash or not. Gone is success."""
        with (
            contextlib.suppress(exceptions.RbdImageNotFound),
            self.pool(clone.pool, clone.namespace) as pool,
        ):
            pool.flatten_by_id(clone.image, clone.id)

    @contextlib.contextmanager
    def _session(self) -> collections.abc.Iterator[rados_session.Session]:
        session = rados_session.Session(self.access)
        try:
            session.call("the cluster", session.connect)
            yield session
        finally:
            concurrency.in_native_thread(session.close)
