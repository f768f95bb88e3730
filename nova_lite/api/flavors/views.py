"""How a flavor looks to a client."""

import typing

from nova_lite import objects
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api.flavors import policy


def brief(req: request.Request, flavor: objects.Flavor) -> dict[str, typing.Any]:
    """An item of ``GET /flavors``."""
    view = {
        "id": flavor.flavorid,
        "name": flavor.name,
        "links": req.links("flavors", flavor.flavorid),
    }
    if req.version >= microversion.FLAVOR_DESCRIPTION:
        view["description"] = flavor.description
    return view


def detail(
    req: request.Request, flavor: objects.Flavor, *, show_extra_specs: bool
) -> dict[str, typing.Any]:
    """A flavor in full.

    :param show_extra_specs: what :func:`may_show_extra_specs` said.
    """
    # Before 2.75 no swap was an empty string.
    swap = flavor.swap_mib or (0 if req.version >= microversion.STRICT_AND_UNIFORM else "")
    view = brief(req, flavor) | {
        "ram": flavor.memory_mib,
        "disk": flavor.root_gib,
        "swap": swap,
        "vcpus": flavor.vcpus,
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gib,
        "OS-FLV-DISABLED:disabled": flavor.disabled,
        "os-flavor-access:is_public": flavor.is_public,
        "rxtx_factor": flavor.rxtx_factor or "",
    }
    if show_extra_specs:
        view["extra_specs"] = flavor.extra_specs
    return view


def may_show_extra_specs(req: request.Request) -> bool:
    """Whether flavors carry their extra specs in this request."""
    return req.version >= microversion.EXTRA_SPECS_IN_FLAVOR and req.can(policy.SPECS_INDEX)
