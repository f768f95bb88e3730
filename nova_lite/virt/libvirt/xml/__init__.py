"""libvirt's domain XML as types: each class formats and parses its element.

Only what nova_lite writes or asks for is modelled; the rest of what libvirt
answers is ignored by the parsers.
"""

from nova_lite.virt.libvirt.xml.backup import Backup
from nova_lite.virt.libvirt.xml.controller import PciRootPort
from nova_lite.virt.libvirt.xml.controller import scsi_place
from nova_lite.virt.libvirt.xml.cpu import Cpu
from nova_lite.virt.libvirt.xml.disk import Disk
from nova_lite.virt.libvirt.xml.disk import NetworkAccess
from nova_lite.virt.libvirt.xml.disk import SourceType
from nova_lite.virt.libvirt.xml.disk import StorageHost
from nova_lite.virt.libvirt.xml.domain import Domain
from nova_lite.virt.libvirt.xml.host import HostCpu
from nova_lite.virt.libvirt.xml.metadata import Ownership
from nova_lite.virt.libvirt.xml.os import OperatingSystem
from nova_lite.virt.libvirt.xml.secret import Secret
from nova_lite.virt.libvirt.xml.serial import FileSerial

__all__ = [
    "Backup",
    "Cpu",
    "Disk",
    "Domain",
    "FileSerial",
    "HostCpu",
    "NetworkAccess",
    "OperatingSystem",
    "Ownership",
    "PciRootPort",
    "Secret",
    "SourceType",
    "StorageHost",
    "scsi_place",
]
