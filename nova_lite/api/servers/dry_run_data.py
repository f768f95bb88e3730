"""Where the first bytes of a new server's devices come from, and why that way.

As far as it can be known before a host is chosen (D11, D12): the API reads the same
options of ``[libvirt]`` as the hosts do, and asks Glance, but it speaks to no Ceph.
"""

import typing

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import request
from nova_lite.api.servers import devices
from nova_lite.image import clonable
from nova_lite.image import locations

# Formats that are a disk byte by byte.
_RAW_FORMATS = ("raw", "iso", "ami", None)


class Origin(typing.NamedTuple):
    """What a dry run says of a device's data."""

    data: str
    why: str


def origin_of(
    req: request.Request, device: objects.BlockDeviceMapping, source: devices.BootSource
) -> Origin:
    """The way that a create would take."""
    if device.is_volume:
        return _of_volume(device)
    if device.is_swap:
        return Origin("blank", "an empty disk with a swap signature")
    if device.source_type == "blank":
        file_system = device.guest_format or req.conf.libvirt.default_ephemeral_format
        return Origin("blank", f"an empty disk with an {file_system} file system")
    if req.conf.libvirt.images_type == "rbd":
        return _of_rbd_disk(req, source.image)
    return _of_file(req, source.image.disk_format)


def _of_volume(device: objects.BlockDeviceMapping) -> Origin:
    if device.source_type == "volume":
        return Origin("in place", "the volume exists")
    if device.source_type == "blank":
        return Origin("blank", "Cinder makes an empty volume")
    why = f"Cinder makes a volume from the {device.source_type}; no host copies"
    return Origin("by Cinder", why)


def _of_file(req: request.Request, disk_format: str | None) -> Origin:
    if disk_format in _RAW_FORMATS:
        why = "once a host, and then shared; the image is raw, as bases are"
        return Origin("download", why)
    if disk_format == "qcow2" and not req.conf.libvirt.force_raw_images:
        why = "once a host, and then shared; qcow2 is kept (force_raw_images is off)"
        return Origin("download", why)
    why = f"once a host, and then shared; the image is {disk_format}, and bases are raw"
    return Origin("download and convert", why)


def _of_rbd_disk(req: request.Request, image: objects.ImageMeta) -> Origin:
    decision = _decide(req, image)
    # Where images are kept is for administrators.
    reason = decision.explained if req.ctxt.is_admin else decision.reason
    if decision.location is not None:
        why = f"{reason}; no byte is copied, if the hosts' cluster is that one"
        return Origin("clone", f"{why} ({decision.location.fsid})" if req.ctxt.is_admin else why)
    if req.conf.libvirt.images_rbd_never_download:
        why = f"it cannot be cloned, because {reason}, and images_rbd_never_download is on"
        return Origin("refused by the host", f"{why}; it builds only what it has brought before")
    converted = "" if image.disk_format in _RAW_FORMATS else ", convert"
    why = f"once for all hosts, unless it was before, and then cloned; {reason}"
    return Origin(f"download{converted} and import", why)


def _decide(req: request.Request, image: objects.ImageMeta) -> clonable.Decision:
    urls = list(image.rbd_urls)
    if not urls and image.disk_format in clonable.CLONABLE_FORMATS:
        try:
            urls = req.services.glance.rbd_urls(image.id)
        except exceptions.NovaLiteError:
            # The host asks again, and takes the other way if that fails too.
            urls = []
    return clonable.decide(
        image.id,
        image.disk_format,
        locations.rbd_locations(urls),
        req.conf.libvirt.images_rbd_glance_pools,
        fsid=None,
    )
