"""RBD images of a Ceph cluster, through librados and librbd.

The only package that imports ``rados`` and ``rbd``. They come from the distribution
(``python3-rbd``), so they are imported when first needed.

::

    cluster = Cluster(Access("/etc/ceph/ceph.conf", "nova"))
    with cluster.pool("vms") as vms:
        vms.clone(Snapshot("images", image_id, "snap"), f"{instance_uuid}_disk")

Every call runs in a native thread; what it opened it closes, whatever happens.
librados gives up on a cluster that is silent for ``Access.timeout_s``. All methods
raise :exc:`nova_lite.exceptions.CephError` or one of its kinds.
"""

from nova_lite.virt.ceph.cluster import Cluster
from nova_lite.virt.ceph.pool import Pool
from nova_lite.virt.ceph.types import Access
from nova_lite.virt.ceph.types import Clone
from nova_lite.virt.ceph.types import Lock
from nova_lite.virt.ceph.types import Snapshot
from nova_lite.virt.ceph.types import SnapshotState
from nova_lite.virt.ceph.types import Use
from nova_lite.virt.ceph.writer import CHUNK_BYTES
from nova_lite.virt.ceph.writer import Writer

__all__ = [
    "CHUNK_BYTES",
    "Access",
    "Clone",
    "Cluster",
    "Lock",
    "Pool",
    "Snapshot",
    "SnapshotState",
    "Use",
    "Writer",
]
