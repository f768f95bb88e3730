"""The libvirt driver, put together from its parts."""

from oslo_config import cfg

from nova_lite.virt import capabilities
from nova_lite.virt import identity
from nova_lite.virt import naming
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt import console
from nova_lite.virt.libvirt import guestbuild
from nova_lite.virt.libvirt import guests
from nova_lite.virt.libvirt import host
from nova_lite.virt.libvirt import inventory
from nova_lite.virt.libvirt import kvm_probe
from nova_lite.virt.libvirt import ownership
from nova_lite.virt.libvirt import power
from nova_lite.virt.libvirt.disks import stores
from nova_lite.virt.libvirt.volumes import registry
from nova_lite.virt.libvirt.volumes import transports
from nova_lite.virt.libvirt.volumes import volumes
from nova_lite.volume import connector


class LibvirtDriver:
    """QEMU and KVM guests: an :class:`nova_lite.virt.interface.Driver`."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        node_uuid = identity.node_uuid(conf.state_path)
        own = ownership.OwnGuests(
            connection.Connection(conf.libvirt.connection_uri, conf.host), node_uuid
        )
        probe = kvm_probe.KvmProbe(conf)
        self.images, self.disks = stores.of(conf, own.connection, node_uuid)
        connectors = connector.HostConnectors(conf, naming.host_connector(conf))
        known = registry.Transports(transports.Tools(conf, own.connection, connectors))
        builder = guestbuild.GuestBuilder(conf, node_uuid, probe.virt_type, self.disks, known)
        self.capabilities = capabilities.Capabilities()
        self.guests = guests.LibvirtGuests(own, builder)
        self.power = power.LibvirtPower(own, self.disks)
        self.volumes = volumes.LibvirtVolumes(conf, own, known, connectors)
        self.snapshots = stores.snapshots_of(conf, own)
        self.consoles = console.FileConsoles(conf)
        self.host = host.LibvirtHost(conf, own, probe, self.disks.capacity_bytes)
        self.inventory = inventory.LibvirtInventory(conf, own)
