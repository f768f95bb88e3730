"""Images in Ceph, as an audit or a trace wants to know them."""

import collections
import collections.abc

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.virt import ceph
from nova_lite.virt.libvirt import cephauth


class RbdInventory:
    """Looks at images with this host's own key."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._cluster = cephauth.cluster_of(conf)

    def of_servers(self) -> list[objects.InventoryImage]:
        """The names of all disks in the pool of servers, which hosts share; none of
        them is opened."""
        if self._conf.libvirt.images_type != "rbd":
            return []
        name = self._conf.libvirt.images_rbd_pool
        with self._cluster.pool(name) as pool:
            return [
                objects.InventoryImage(pool=name, name=image)
                for image in pool.list_images()
                if "_disk" in image
            ]

    def of_guest(self, sources: collections.abc.Iterable[str]) -> list[objects.InventoryImage]:
        """Where the images ``pool/image`` come from, and who has them open. One that
        is gone, or that the key does not open, is told by its name only."""
        by_pool: dict[str, set[str]] = collections.defaultdict(set)
        for source in sources:
            pool_name, _, image = source.partition("/")
            by_pool[pool_name].add(image)
        found = []
        for pool_name, images in sorted(by_pool.items()):
            try:
                with self._cluster.pool(pool_name) as pool:
                    found += [_looked_at(pool, image) for image in sorted(images)]
            except exceptions.CephUnavailable:
                raise
            except exceptions.CephError:
                found += [
                    objects.InventoryImage(pool=pool_name, name=image) for image in sorted(images)
                ]
        return found


def _looked_at(pool: ceph.Pool, image: str) -> objects.InventoryImage:
    known = objects.InventoryImage(pool=pool.name, name=image)
    try:
        known.size_bytes = pool.size_bytes(image)
        parent, use = pool.parent(image), pool.use(image)
        known.snapshots = [each.name for each in pool.snapshots(image)]
    except exceptions.CephUnavailable:
        raise
    except exceptions.CephError:
        return known
    known.parent = None if parent is None else str(parent)
    known.watchers = sorted(use.watchers)
    known.locks = sorted(f"{lock.client} at {lock.address}" for lock in use.locks)
    return known
