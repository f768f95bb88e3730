"""``<domainbackup>``: a copy of a disk that QEMU makes while the guest runs."""

import dataclasses

from lxml import etree

from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class Backup:
    """A push-mode backup of one disk into one file, as it is when the job begins."""

    target: str
    """The disk to copy, ``vda``."""
    path: str
    """The file to make."""
    driver_format: str
    """The file's format."""
    left_out: tuple[str, ...] = ()
    """The guest's other disks: libvirt wants each of them named."""

    def to_xml(self) -> str:
        """The text to begin the job with."""
        backup = etree.Element("domainbackup", mode="push")
        disks = text.child(backup, "disks")
        disk = text.child(disks, "disk", name=self.target, backup="yes", type="file")
        text.child(disk, "driver", type=self.driver_format)
        text.child(disk, "target", file=self.path)
        for other in self.left_out:
            text.child(disks, "disk", name=other, backup="no")
        return text.render(backup)

    @classmethod
    def from_xml(cls, content: str) -> "Backup":
        """What libvirt says of a job that runs; of foreign ones that copy several
        disks, or into something else, only the first."""
        disks = text.parse(content).findall("disks/disk")
        copied = next(disk for disk in disks if disk.get("backup") != "no")
        return cls(
            target=copied.get("name") or "",
            path=text.attribute(copied, "target", "file") or "",
            driver_format=text.attribute(copied, "driver", "type") or "",
            left_out=tuple(disk.get("name") for disk in disks if disk.get("backup") == "no"),
        )
