"""Volumes in a Ceph cluster (``driver_volume_type`` ``rbd``)."""

import base64
import logging
import typing

from nova_lite import exceptions
from nova_lite.virt import ceph
from nova_lite.virt import interface
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.volumes import transports

LOG = logging.getLogger(__name__)


class RbdTransport(transports.Transport):
    """QEMU opens the image by librbd with a key that libvirt keeps (S197, S220).

    With ``[libvirt] rbd_local_attach`` the host's kernel maps it to a block device
    instead (S209, S221). What Cinder says of the user goes before what is configured
    here, as in Nova; a key that it may send (OSSN-0085) is never used.
    """

    def __init__(self, tools: transports.Tools) -> None:
        super().__init__(tools)
        self._current: set[str] = set()
        """Secrets that got their key in this run."""

    def connect(self, connection_info: interface.ConnectionInfo) -> None:
        """Have libvirt keep the key, or the kernel map the image."""
        data = connection_info["data"]
        data.pop("keyring", None)
        transports.needed(data, "name")
        if self._tools.conf.libvirt.rbd_local_attach:
            # Kept, for the option may change before the volume is disconnected.
            data["do_local_attach"] = True
        if data.get("do_local_attach"):
            found = self._tools.host.connect("RBD", transports.for_os_brick(data))
            data["device_path"] = str(found["path"])
            return
        access = self._access(connection_info)
        if access.secret_uuid is not None and access.username is not None:
            is_own = access.secret_uuid == _own_secret_uuid(access.username, data)
            self._ensure_secret(access.secret_uuid, access.username, is_own=is_own)

    def disconnect(self, connection_info: interface.ConnectionInfo) -> None:
        """Unmap it. The key is the host's, not the volume's: it stays."""
        data = connection_info["data"]
        if data.get("do_local_attach"):
            self._tools.host.disconnect("RBD", transports.for_os_brick(data))

    def source(self, connection_info: interface.ConnectionInfo) -> transports.Source:
        """``pool/image`` on the network, or the mapped device."""
        data = connection_info.get("data", {})
        if data.get("do_local_attach"):
            return transports.Source(transports.device_path_of(connection_info), "raw", "block")
        name = transports.needed(data, "name")
        return transports.Source(name, "raw", "network", self._access(connection_info))

    def _access(self, connection_info: interface.ConnectionInfo) -> xml.NetworkAccess:
        data, options = connection_info.get("data", {}), self._tools.conf.libvirt
        username = data.get("auth_username") if data.get("auth_enabled") else None
        secret_uuid = data.get("secret_uuid") if username else None
        if username or options.rbd_secret_uuid:
            username = username or options.rbd_user
            secret_uuid = secret_uuid or options.rbd_secret_uuid
        if username and not secret_uuid:
            secret_uuid = _own_secret_uuid(username, data)
        hosts = (str(host).strip("[]") for host in data.get("hosts") or ())
        ports = (int(port) for port in data.get("ports") or ())
        return xml.NetworkAccess(
            protocol="rbd",
            hosts=tuple(map(xml.StorageHost, hosts, ports)),
            username=username,
            secret_type="ceph" if username else None,
            secret_uuid=secret_uuid,
        )

    def _ensure_secret(self, secret_uuid: str, username: str, *, is_own: bool) -> None:
        """One that somebody named and libvirt has is taken as it is. Else it gets the
        key from the user's keyring on this host, in memory only: one of our own once a
        run, for the key may have changed."""
        libvirt = self._tools.libvirt
        is_known = libvirt.has_secret(secret_uuid)
        if is_known and (secret_uuid in self._current or not is_own):
            return
        try:
            key = self._cluster_as(username).key()
        except exceptions.CephError as error:
            if is_known:
                LOG.warning("The key of client.%s stays as it is: %s", username, error)
                return
            reason = f"libvirt has no secret {secret_uuid} for client.{username}: {error.message}"
            raise exceptions.VolumeNotConnected(transport="rbd", reason=reason) from error
        secret = xml.Secret(secret_uuid, "ceph", f"client.{username} {secret_uuid} nova-lite")
        # libvirt keeps the bytes, and writes them as base64 again for QEMU.
        libvirt.keep_secret(secret, base64.b64decode(key))
        self._current.add(secret_uuid)

    def _cluster_as(self, username: str) -> ceph.Cluster:
        options = self._tools.conf.libvirt
        is_hosts = username == (options.rbd_user or "admin")
        return ceph.Cluster(
            ceph.Access(
                conf_path=options.images_rbd_ceph_conf,
                user=username,
                keyring_path=options.rbd_keyring if is_hosts else None,
                timeout_s=options.rbd_timeout_s,
            )
        )


def _own_secret_uuid(username: str, data: dict[str, typing.Any]) -> str:
    """Where nobody was configured to name one: made of who it is for."""
    return transports.secret_uuid(f"client.{username} {data.get('hosts')}", "ceph")
