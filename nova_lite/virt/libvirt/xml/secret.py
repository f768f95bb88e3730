"""``<secret>``: a key that libvirt keeps for QEMU."""

import dataclasses

from lxml import etree

from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class Secret:
    """A secret without its value, which is never in any XML.

    It lives in libvirt's memory only, and libvirt does not give it away again.
    """

    uuid: str
    usage_type: str
    """``ceph``, ``iscsi`` or ``volume``."""
    usage: str
    """What it is for; one secret a usage."""
    description: str = ""

    def to_element(self) -> text.Element:
        """The ``<secret>`` element."""
        secret = etree.Element("secret", ephemeral="yes", private="yes")
        text.child(secret, "uuid", self.uuid)
        if self.description:
            text.child(secret, "description", self.description)
        usage = text.child(secret, "usage", type=self.usage_type)
        tag = {"ceph": "name", "iscsi": "target", "volume": "volume"}[self.usage_type]
        text.child(usage, tag, self.usage)
        return secret

    def to_xml(self) -> str:
        """The text to define it with."""
        return text.render(self.to_element())
