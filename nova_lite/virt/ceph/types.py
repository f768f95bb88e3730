"""What calls of Ceph take and give."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Access:
    """How to reach a cluster, and as whom."""

    conf_path: str
    user: str | None = None
    """The cephx user without ``client.``; None is Ceph's default, admin."""
    keyring_path: str | None = None
    """None leaves it to the ``keyring`` of ceph.conf."""
    timeout_s: float = 30.0
    """How long the cluster may be silent."""

    def options(self) -> dict[str, str]:
        """Ceph's own options that say the same."""
        # Ceph takes whole seconds, and 0 for no limit.
        timeout = str(max(1, math.ceil(self.timeout_s)))
        options = {
            "client_mount_timeout": timeout,
            "rados_mon_op_timeout": timeout,
            "rados_osd_op_timeout": timeout,
        }
        return options if self.keyring_path is None else options | {"keyring": self.keyring_path}


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot of an image somewhere in the cluster."""

    pool: str
    image: str
    name: str

    def __str__(self) -> str:
        return f"{self.pool}/{self.image}@{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """The inverse of ``str()``; no name has ``/`` or ``@`` in it."""
        pool, _, rest = text.partition("/")
        image, _, name = rest.partition("@")
        return cls(pool, image, name)


@dataclasses.dataclass(frozen=True)
class SnapshotState:
    """One snapshot of an image as a look at the image shows it."""

    id: int
    """Within its image; what is in the trash is found by it alone."""
    name: str
    size_bytes: int
    is_protected: bool
    is_in_trash: bool
    """Removed, but kept by Ceph while images are cloned from it."""


@dataclasses.dataclass(frozen=True)
class Clone:
    """An image that was cloned from a snapshot."""

    pool: str
    image: str
    is_in_trash: bool = False
    """Removed, but kept by Ceph: no name opens it."""
    namespace: str = ""
    """Of the pool; empty is the default one."""
    id: str = dataclasses.field(default="", compare=False)
    """Opens it wherever it is."""

    def __str__(self) -> str:
        return "/".join(part for part in (self.pool, self.namespace, self.image) if part)


@dataclasses.dataclass(frozen=True)
class Lock:
    """A lock on an image."""

    client: str
    """The holder's name in the cluster, ``client.4123``."""
    address: str
    is_automatic: bool
    """The exclusive lock that librbd takes to write, as in QEMU; else somebody
    locked the image by hand."""


@dataclasses.dataclass(frozen=True)
class Use:
    """Who has an image open, and who holds locks on it."""

    watchers: tuple[str, ...]
    """Addresses of the clients that have it open for writing."""
    locks: tuple[Lock, ...]
