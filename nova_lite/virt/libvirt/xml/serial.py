"""``<serial>``."""

import dataclasses

from lxml import etree

from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class FileSerial:
    """The first serial port, written to a file that grows over restarts
    (virtlogd rotates it)."""

    path: str

    def to_element(self) -> text.Element:
        """The ``<serial>`` element."""
        serial = etree.Element("serial", type="file")
        text.child(serial, "source", path=self.path, append="on")
        text.child(serial, "target", port="0")
        return serial

    @classmethod
    def from_element(cls, element: text.Element) -> "FileSerial":
        """What the ``<serial>`` says."""
        return cls(path=text.attribute(element, "source", "path") or "")
