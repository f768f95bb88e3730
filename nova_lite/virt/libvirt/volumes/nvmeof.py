"""Volumes behind NVMe over fabrics (``driver_volume_type`` ``nvmeof``)."""

from nova_lite.virt.libvirt.volumes import transports


class NvmeofTransport(transports.HostTransport):
    """os-brick connects the host; QEMU has no initiator of its own for it."""

    protocol = "NVMEOF"
