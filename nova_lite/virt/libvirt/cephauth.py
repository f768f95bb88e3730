"""How this host's user of Ceph is known: to librados by a keyring, to QEMU by a
secret of libvirt. No key is in a domain's XML, on a command line or in a log."""

import base64
import uuid

from oslo_config import cfg

from nova_lite.virt import ceph
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt import xml

_NAMESPACE = uuid.UUID("0b7ec7c1-6f0a-4a53-b4a4-5a7bbf1f4f36")
"""Of the UUIDs that are made of a cluster and a user."""


def cluster_of(conf: cfg.ConfigOpts) -> ceph.Cluster:
    """The cluster of ``[libvirt] images_rbd_ceph_conf`` as ``rbd_user``."""
    options = conf.libvirt
    return ceph.Cluster(
        ceph.Access(
            conf_path=options.images_rbd_ceph_conf,
            user=options.rbd_user,
            keyring_path=options.rbd_keyring,
            timeout_s=options.rbd_timeout_s,
        )
    )


class CephAuth:
    """The access that QEMU gets to the images of ``[libvirt] images_rbd_pool``."""

    def __init__(
        self, conf: cfg.ConfigOpts, cluster: ceph.Cluster, connected: connection.Connection
    ) -> None:
        self._configured: str | None = conf.libvirt.rbd_secret_uuid
        self._cluster = cluster
        self._connection = connected
        self._is_current = False
        self.user: str = conf.libvirt.rbd_user or "admin"

    @property
    def secret_uuid(self) -> str:
        """UUID of the libvirt secret with the user's key."""
        if self._configured is not None:
            return str(uuid.UUID(self._configured))
        return str(uuid.uuid5(_NAMESPACE, f"{self._cluster.fsid()} client.{self.user}"))

    def network_access(self) -> xml.NetworkAccess:
        """How QEMU reaches the cluster; its secret is there when this returns.

        :raises nova_lite.exceptions.CephError: the cluster, or the key, is not there.
        """
        self.ensure_secret()
        return xml.NetworkAccess(
            protocol="rbd",
            hosts=tuple(xml.StorageHost(host, port) for host, port in self._cluster.monitors()),
            username=self.user,
            secret_type="ceph",
            secret_uuid=self.secret_uuid,
        )

    def ensure_secret(self) -> None:
        """Define the secret if libvirt has none, as after its restart.

        A secret of our own making gets the key once a run, for the key may have
        changed; one that the operator defined is left as it is.
        """
        secret_uuid = self.secret_uuid
        known = self._connection.has_secret(secret_uuid)
        if known and (self._is_current or self._configured is not None):
            return
        usage = f"client.{self.user} of {self._cluster.fsid()} for nova-lite"
        secret = xml.Secret(secret_uuid, "ceph", usage)
        # libvirt keeps the bytes, and writes them as base64 again for QEMU.
        self._connection.keep_secret(secret, base64.b64decode(self._cluster.key()))
        self._is_current = True
