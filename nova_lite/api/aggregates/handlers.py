"""``/os-aggregates``: there are none, and the list says so.

``openstack hypervisor show`` asks for it.
"""

import typing

from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.aggregates import policy
from nova_lite.api.aggregates import schemas


@validation.answers({200: schemas.LISTED})
def index(req: request.Request) -> dict[str, typing.Any]:
    """``GET /os-aggregates``."""
    req.authorize(policy.INDEX)
    return {"aggregates": []}
