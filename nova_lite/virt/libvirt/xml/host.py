"""``<cpu>`` of the host, in libvirt's answer about its capabilities."""

import dataclasses

from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class HostCpu:
    """The host's processor. Read only: nobody writes it."""

    arch: str
    model: str | None
    vendor: str | None
    sockets: int
    cores: int
    threads: int
    features: tuple[str, ...]

    @classmethod
    def from_capabilities(cls, capabilities_xml: str) -> "HostCpu":
        """From the text of ``virConnectGetCapabilities``."""
        cpu = text.parse(capabilities_xml).find("host/cpu")
        return cls(
            arch=cpu.findtext("arch"),
            model=cpu.findtext("model"),
            vendor=cpu.findtext("vendor"),
            sockets=int(text.attribute(cpu, "topology", "sockets") or 1),
            cores=int(text.attribute(cpu, "topology", "cores") or 1),
            threads=int(text.attribute(cpu, "topology", "threads") or 1),
            features=tuple(feature.get("name") for feature in cpu.findall("feature")),
        )
