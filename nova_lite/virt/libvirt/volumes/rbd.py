"""Volumes in a Ceph cluster (``driver_volume_type`` ``rbd``)."""

import base64

from nova_lite import exceptions
from nova_lite.virt import ceph
from nova_lite.virt import interface
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.volumes import transports


class RbdTransport(transports.Transport):
    """QEMU opens the image by librbd with a key that libvirt keeps (S197, S220).

    With ``[libvirt] rbd_local_attach`` the host's kernel maps it to a block device
    instead (S209, S221). What Cinder says of the user goes before what is configured
    here, as in Nova; a key that it may send (OSSN-0085) is never used.
    """

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
            self._ensure_secret(access.secret_uuid, access.username)

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
            # Nobody was configured to name one: ours, made of who it is for.
            secret_uuid = transports.secret_uuid(f"client.{username} {data.get('hosts')}", "ceph")
        hosts = (str(host).strip("[]") for host in data.get("hosts") or ())
        ports = (int(port) for port in data.get("ports") or ())
        return xml.NetworkAccess(
            protocol="rbd",
            hosts=tuple(map(xml.StorageHost, hosts, ports)),
            username=username,
            secret_type="ceph" if username else None,
            secret_uuid=secret_uuid,
        )

    def _ensure_secret(self, secret_uuid: str, username: str) -> None:
        """One that libvirt has is taken as it is; else it gets the key from the
        user's keyring on this host, in memory only."""
        libvirt, options = self._tools.libvirt, self._tools.conf.libvirt
        if libvirt.has_secret(secret_uuid):
            return
        ours = username == (options.rbd_user or "admin")
        access = ceph.Access(
            conf_path=options.images_rbd_ceph_conf,
            user=username,
            keyring_path=options.rbd_keyring if ours else None,
            timeout_s=options.rbd_timeout_s,
        )
        try:
            key = ceph.Cluster(access).key()
        except exceptions.CephError as error:
            reason = f"libvirt has no secret {secret_uuid} for client.{username}: {error.message}"
            raise exceptions.VolumeNotConnected(transport="rbd", reason=reason) from error
        secret = xml.Secret(secret_uuid, "ceph", f"client.{username} {secret_uuid} nova-lite")
        # libvirt keeps the bytes, and writes them as base64 again for QEMU.
        libvirt.keep_secret(secret, base64.b64decode(key))
