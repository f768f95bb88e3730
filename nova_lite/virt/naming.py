"""Names that both drivers use: of guests, of their disks, of this host."""

import collections.abc
import itertools
import platform
import string
import typing

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite.volume import host_side

CONFIG_DRIVE = "disk.config"
"""The config drive's file in a server's directory (S85)."""


def guest_name(instance_uuid: str) -> str:
    """The hypervisor's name of a server: unique and at most 64 characters."""
    return f"instance-{instance_uuid}"


def volume_id_of(connection_info: dict[str, typing.Any]) -> str:
    """The volume's id: what the guest sees as its disk's serial (S198).

    :raises nova_lite.exceptions.InvalidVolume: the connection_info names none.
    """
    volume_id = connection_info.get("serial") or connection_info.get("data", {}).get("volume_id")
    if not volume_id:
        raise exceptions.InvalidVolume(reason="its connection_info has no serial")
    return str(volume_id)


def connection_id_of(connection_info: dict[str, typing.Any]) -> str:
    """What a host keeps a connection by, see
    :func:`nova_lite.volume.host_side.connection_id_of`.

    :raises nova_lite.exceptions.InvalidVolume: the connection_info names none.
    """
    return str(connection_info.get(host_side.CONNECTED_AS) or volume_id_of(connection_info))


def target_name(device_name: str) -> str:
    """``vdb`` of ``/dev/vdb``."""
    return device_name.removeprefix("/dev/")


def free_target_name(wanted: str, taken: collections.abc.Container[str]) -> str:
    """``wanted``, or the first free name of its kind: another disk may have
    got the letter after the caller chose it."""
    if wanted not in taken:
        return wanted
    prefix = wanted[:2]
    letters = string.ascii_lowercase
    names = itertools.chain(letters, (a + b for a in letters for b in letters))
    return next(prefix + name for name in names if prefix + name not in taken)


def bus_of(target: str) -> str:
    """The bus that a target name implies: ``virtio`` of ``vdb``."""
    return {"vd": "virtio", "sd": "scsi", "hd": "ide", "fd": "fdc"}.get(target[:2], "virtio")


def host_connector(conf: cfg.ConfigOpts) -> dict[str, typing.Any]:
    """What Cinder is told about this host, whatever the storage (S194)."""
    return {
        "host": conf.host,
        "ip": conf.my_ip,
        "platform": platform.machine(),
        "os_type": "linux",
        "multipath": False,
        "do_local_attach": False,
    }
