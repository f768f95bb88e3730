"""The host under libvirt: :class:`nova_lite.virt.interface.HostOps`."""

import collections.abc
import dataclasses
import pathlib

from oslo_config import cfg

from nova_lite.virt import interface
from nova_lite.virt import sizes
from nova_lite.virt.libvirt import kvm_probe
from nova_lite.virt.libvirt import ownership


class LibvirtHost(interface.HostOps):
    """What libvirt and the file system say of this host."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        own: ownership.OwnGuests,
        probe: kvm_probe.KvmProbe,
        disk_capacity_bytes: collections.abc.Callable[[], int],
    ) -> None:
        self._conf = conf
        self._own = own
        self._probe = probe
        self._disk_capacity_bytes = disk_capacity_bytes

    def start(self) -> None:
        """Connect, and find out how guests are run."""
        self._own.connection.open()
        self._probe.virt_type()
        self._instances_path.mkdir(parents=True, exist_ok=True)

    def resources(self) -> interface.HostResources:
        """CPUs and memory from libvirt, disk of where local disks are.

        The node's name is ``[DEFAULT] host``, not libvirt's host name: several
        compute nodes may share one libvirtd.
        """
        connected = self._own.connection
        vcpus, memory_mib = connected.host_sizes()
        cpu = connected.host_cpu()
        return interface.HostResources(
            hypervisor_hostname=self._conf.host,
            hypervisor_type="QEMU",
            hypervisor_version=connected.version(),
            vcpus=vcpus,
            memory_mib=memory_mib,
            disk_gib=self._disk_capacity_bytes() // sizes.GIB,
            architecture=cpu.arch,
            cpu_info=dataclasses.asdict(cpu),
        )

    def node_uuid(self) -> str:
        """From ``$state_path/compute_id``."""
        return self._own.node_uuid

    @property
    def _instances_path(self) -> pathlib.Path:
        return pathlib.Path(self._conf.compute.instances_path)
