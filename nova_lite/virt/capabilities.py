"""What a hypervisor driver can do: asked, never tried."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """Facts about a driver that callers consult before they act."""

    supports_attach_volume: bool = True
    """Volumes can be plugged into and out of a running guest."""
    supports_multiattach: bool = True
    """One volume may be plugged into several guests."""
    supports_tagged_attach: bool = False
    """Device tags reach the guest."""
    supports_console_output: bool = True
    """The text a guest wrote to its serial console can be read."""
    supports_snapshot: bool = True
    """A local root disk can be copied into an image."""
    supports_live_snapshot: bool = True
    """The same while its guest runs."""
    supports_boot_order: bool = True
    """More than one device can be offered to the firmware, in order."""
