"""``/limits``: what a project may use and does use."""

import typing

from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.limits import policy
from nova_lite.api.limits import schemas
from nova_lite.db.queries import quotas

UNLIMITED = -1


@validation.answers({200: schemas.SHOWN})
def show(req: request.Request) -> dict[str, typing.Any]:
    """``GET /limits``."""
    req.authorize(policy.SHOW)
    project_id = req.query(schemas.SHOW_QUERY).get("tenant_id", [req.ctxt.project_id])[0]
    if project_id != req.ctxt.project_id:
        req.authorize(policy.OTHER_PROJECT, {"project_id": project_id})
    with req.database.api.read() as tx:
        used, limits = quotas.read(tx, req.conf, project_id)
    absolute = {
        "maxTotalInstances": limits["instances"],
        "maxTotalCores": limits["cores"],
        "maxTotalRAMSize": limits["ram"],
        "maxServerMeta": limits["metadata_items"],
        "maxTotalKeypairs": limits["key_pairs"],
        # Of these there are none yet, so none can be used.
        "maxServerGroups": 0,
        "maxServerGroupMembers": 0,
        "totalInstancesUsed": used.instances,
        "totalCoresUsed": used.cores,
        "totalRAMUsed": used.ram,
        "totalServerGroupsUsed": 0,
    }
    if req.version < microversion.NO_IMAGE_METADATA_LIMIT:
        absolute["maxImageMeta"] = limits["metadata_items"]
    if req.version < microversion.NO_PROXIES:
        absolute |= {
            "maxTotalFloatingIps": UNLIMITED,
            "maxSecurityGroups": UNLIMITED,
            "maxSecurityGroupRules": UNLIMITED,
            "totalFloatingIpsUsed": 0,
            "totalSecurityGroupsUsed": 0,
        }
    if req.version < microversion.NO_PERSONALITY:
        absolute |= {"maxPersonality": 0, "maxPersonalitySize": 0}
    return {"limits": {"rate": [], "absolute": absolute}}
