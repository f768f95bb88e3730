"""The seam to os-brick: the only module that imports it, when it must.

Volumes whose targets are their own need no lock, and files on this host
(``local``), RBD images and NFS files have no targets at all.
"""

import collections.abc
import contextlib

from nova_lite.volume import cinder

TRANSPORTS_WITHOUT_TARGETS = frozenset({"local", "rbd", "nfs"})


@contextlib.contextmanager
def guard_connection(volume: cinder.Volume) -> collections.abc.Iterator[None]:
    """Serialise connecting and disconnecting of volumes that share targets.

    Cinder's ``shared_targets``: false never locks, null (3.69) always, true
    unless the iSCSI initiator can scan by hand; os-brick knows the last.
    """
    if volume.shared_targets is False or volume.service_uuid is None:
        yield
        return
    from os_brick.initiator import utils

    device = {"service_uuid": volume.service_uuid, "shared_targets": volume.shared_targets}
    with utils.guard_connection(device):
        yield
