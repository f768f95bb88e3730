"""Images and local disks on the storage of ``[libvirt] images_type``."""

from oslo_config import cfg

from nova_lite.image import cache
from nova_lite.virt import interface
from nova_lite.virt.libvirt import cephauth
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt import ownership
from nova_lite.virt.libvirt.disks import file_snapshots
from nova_lite.virt.libvirt.disks import local
from nova_lite.virt.libvirt.disks import parents
from nova_lite.virt.libvirt.disks import rbd
from nova_lite.virt.libvirt.disks import rbd_images
from nova_lite.virt.libvirt.disks import rbd_snapshots
from nova_lite.virt.libvirt.disks import storage


def of(
    conf: cfg.ConfigOpts, connected: connection.Connection, node_uuid: str
) -> tuple[interface.ImageOps, storage.Storage]:
    """Both parts, for the same storage."""
    if conf.libvirt.images_type != "rbd":
        return cache.ImageCache(conf), local.LocalDisks(conf)
    cluster = cephauth.cluster_of(conf)
    known_parents = parents.Parents(
        cluster,
        conf.libvirt.images_rbd_pool,
        minimum_age_s=conf.image_cache.minimum_age_s,
        # As long as the slowest conversion, and its way there and back.
        timeout_s=2 * conf.libvirt.qemu_img_timeout_s,
    )
    auth = cephauth.CephAuth(conf, cluster, connected)
    return (
        rbd_images.RbdImages(conf, cluster, known_parents),
        rbd.RbdDisks(conf, cluster, auth, known_parents, node_uuid),
    )


def snapshots_of(conf: cfg.ConfigOpts, own: ownership.OwnGuests) -> interface.SnapshotOps:
    """Snapshots of the disks on that storage."""
    if conf.libvirt.images_type == "rbd":
        return rbd_snapshots.RbdSnapshots(conf, cephauth.cluster_of(conf), own)
    return file_snapshots.FileSnapshots(conf, own)
