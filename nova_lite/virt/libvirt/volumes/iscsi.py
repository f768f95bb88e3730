"""Volumes behind iSCSI targets (``driver_volume_type`` ``iscsi``)."""

from nova_lite import exceptions
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.volumes import transports

DEFAULT_PORT = 3260


class IscsiTransport(transports.HostTransport):
    """The host logs in by os-brick, or QEMU does by itself (``[libvirt] iscsi_initiator``).

    Who did is known by ``data.device_path``, which only the host's way has. QEMU gets
    the CHAP password from a secret that libvirt keeps as long as the volume is connected.
    """

    protocol = "ISCSI"

    def connect(self, connection_info: interface.ConnectionInfo) -> None:
        """Log in, or have libvirt keep the password for QEMU."""
        data = connection_info["data"]
        if self._tools.host.has_iscsi_initiator or data.get("device_path"):
            super().connect(connection_info)
            return
        _name(data), _portal(data)
        if data.get("auth_method"):
            password = transports.needed(data, "auth_password")
            self._tools.libvirt.keep_secret(_secret(connection_info), password.encode())

    def disconnect(self, connection_info: interface.ConnectionInfo) -> None:
        """Log out, or have libvirt forget the password."""
        data = connection_info["data"]
        if data.get("device_path") or self._tools.host.has_iscsi_initiator:
            super().disconnect(connection_info)
        if data.get("auth_method"):
            self._tools.libvirt.remove_secret(_secret(connection_info).uuid)

    def source(self, connection_info: interface.ConnectionInfo) -> transports.Source:
        """The device, or ``target/lun`` on the network."""
        data = connection_info.get("data", {})
        if data.get("device_path"):
            return super().source(connection_info)
        access = xml.NetworkAccess(
            protocol="iscsi",
            hosts=(_portal(data),),
            initiator_iqn=self._tools.host.properties()["initiator"],
        )
        if data.get("auth_method"):
            access = xml.NetworkAccess(
                protocol=access.protocol,
                hosts=access.hosts,
                initiator_iqn=access.initiator_iqn,
                username=transports.needed(data, "auth_username"),
                secret_type="iscsi",
                secret_uuid=_secret(connection_info).uuid,
            )
        return transports.Source(_name(data), "raw", "network", access)


def _secret(connection_info: interface.ConnectionInfo) -> xml.Secret:
    connection_id = naming.connection_id_of(connection_info)
    return xml.Secret(
        transports.secret_uuid(connection_id, "iscsi"),
        "iscsi",
        f"nova-lite volume {connection_id}",
    )


def _name(data: dict[str, object]) -> str:
    return f"{transports.needed(data, 'target_iqn')}/{transports.needed(data, 'target_lun')}"


def _portal(data: dict[str, object]) -> xml.StorageHost:
    """``127.0.0.1:3260`` or ``[::1]:3260``."""
    portal = transports.needed(data, "target_portal")
    host, _, port = portal.rpartition(":")
    if not host or not port.isdecimal():
        raise exceptions.InvalidVolume(reason=f"its target_portal {portal!r} is not host:port")
    return xml.StorageHost(host.strip("[]"), int(port))
