"""The query of limits, and what is answered."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import Schema

SHOW_QUERY = validation.Schemas(
    ("2.1", "2.56", validation.obj({"tenant_id": validation.many()}, additional=True)),
    ("2.57", "2.74", validation.obj({"tenant_id": validation.one()}, additional=True)),
    ("2.75", None, validation.obj({"tenant_id": validation.one()})),
)

_LIMIT: Schema = {"type": "integer", "minimum": -1}
_ALWAYS = (
    "maxServerGroupMembers", "maxServerGroups", "maxServerMeta", "maxTotalCores",
    "maxTotalInstances", "maxTotalKeypairs", "maxTotalRAMSize",
)  # fmt: skip
_USED = ("totalCoresUsed", "totalInstancesUsed", "totalRAMUsed", "totalServerGroupsUsed")
_NETWORK_LIMITS = ("maxSecurityGroupRules", "maxSecurityGroups", "maxTotalFloatingIps")
_NETWORK_USED = ("totalFloatingIpsUsed", "totalSecurityGroupsUsed")


def _shown(minor: int) -> Schema:
    limits, used = [*_ALWAYS], [*_USED]
    if minor < 36:
        limits.extend(_NETWORK_LIMITS)
        used.extend(_NETWORK_USED)
    if minor < 39:
        limits.append("maxImageMeta")
    if minor < 57:
        limits.extend(("maxPersonality", "maxPersonalitySize"))
    properties = dict.fromkeys(limits, _LIMIT) | dict.fromkeys(used, shapes.COUNT)
    absolute = shapes.exact(properties)
    rate = shapes.array({}, maxItems=0)
    return shapes.exact({"limits": shapes.exact({"rate": rate, "absolute": absolute})})


SHOWN = validation.by_version((1, 36, 39, 57), _shown)
