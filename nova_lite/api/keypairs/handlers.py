"""``/os-keypairs``: there are none yet, and the list says so."""

import typing

from nova_lite.api import request
from nova_lite.api.keypairs import policy


def index(req: request.Request) -> dict[str, typing.Any]:
    """``GET /os-keypairs``."""
    req.authorize(policy.INDEX)
    return {"keypairs": []}
