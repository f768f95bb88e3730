"""The image may say what hardware it was made for."""

import typing

from oslo_config import cfg

from nova_lite import objects
from nova_lite.scheduler import filters
from nova_lite.scheduler import host_state

# Names that mean the same machine.
_ARCHITECTURES = {"amd64": "x86_64", "x86-64": "x86_64", "i386": "i686", "arm64": "aarch64"}
# A 64-bit PC runs a 32-bit PC's images.
_ALSO_RUNS = {"x86_64": {"i686"}}
# Hypervisors of libvirt that run the same images. An image marked "qemu" or
# "kvm" asks for that family, since Glance's users write either.
_FAMILIES = {"qemu": "qemu", "kvm": "qemu"}
# What the guests of a hypervisor family see: full virtual machines.
_VM_MODES = {"qemu": {"hvm"}}


class Filter:
    """Refuses hosts whose processor, hypervisor or kind of guest is not what
    the image's properties ask for (``architecture`` or ``hw_architecture``,
    ``img_hv_type``, ``hw_vm_mode``; upstream's names)."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        pass

    def refuse(
        self, host: host_state.HostState, spec: objects.RequestSpec
    ) -> filters.Refusal | None:
        """Which property the host does not have, or None."""
        properties = spec.image.properties or {}
        for check in (_architecture, _hypervisor, _vm_mode):
            refusal = check(host, properties)
            if refusal is not None:
                return refusal
        return None


def _architecture(
    host: host_state.HostState, properties: dict[str, typing.Any]
) -> filters.Refusal | None:
    wanted = _text(properties.get("hw_architecture") or properties.get("architecture"))
    if not wanted or not host.architecture:
        return None
    wanted = _ARCHITECTURES.get(wanted, wanted)
    has = _ARCHITECTURES.get(host.architecture.lower(), host.architecture.lower())
    if wanted == has or wanted in _ALSO_RUNS.get(has, ()):
        return None
    return filters.Refusal("architecture", f"{host.architecture}, the image needs {wanted}")


def _hypervisor(
    host: host_state.HostState, properties: dict[str, typing.Any]
) -> filters.Refusal | None:
    wanted = _text(properties.get("img_hv_type") or properties.get("hypervisor_type"))
    has = host.hypervisor_type.lower()
    if not wanted or _FAMILIES.get(wanted, wanted) == _FAMILIES.get(has, has):
        return None
    return filters.Refusal("hypervisor type", f"{host.hypervisor_type}, the image needs {wanted}")


def _vm_mode(
    host: host_state.HostState, properties: dict[str, typing.Any]
) -> filters.Refusal | None:
    wanted = _text(properties.get("hw_vm_mode") or properties.get("vm_mode"))
    has = host.hypervisor_type.lower()
    modes = _VM_MODES.get(_FAMILIES.get(has, has))
    # What kinds of guests other hypervisors run is not known here.
    if not wanted or modes is None or wanted in modes:
        return None
    return filters.Refusal("vm mode", f"runs {', '.join(modes)}, the image needs {wanted}")


def _text(value: object) -> str:
    return str(value).strip().lower() if value else ""
