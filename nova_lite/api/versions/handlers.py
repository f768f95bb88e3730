"""The documents at ``/`` and ``/v2.1`` by which clients discover the API.

keystoneauth reads ``version`` and ``min_version`` of the entry with the right id
and follows its self link; that is why both documents carry all of it.
"""

import typing

from nova_lite.api import microversion
from nova_lite.api import validation
from nova_lite.api.versions import schemas

_UPDATED = "2013-07-23T11:33:21Z"


def _version(base_url: str) -> dict[str, typing.Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(microversion.MAXIMUM),
        "min_version": str(microversion.MINIMUM),
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{base_url}/v2.1/"}],
    }


@validation.answers({200: schemas.LISTED})
def index(base_url: str) -> dict[str, typing.Any]:
    """``GET /``: all versions there are: one."""
    return {"versions": [_version(base_url)]}


@validation.answers({200: schemas.SHOWN})
def show(base_url: str) -> dict[str, typing.Any]:
    """``GET /v2.1``: this version, with its media types."""
    version = _version(base_url)
    version["links"].append(
        {
            "rel": "describedby",
            "type": "text/html",
            "href": "https://docs.openstack.org/api-ref/compute/",
        }
    )
    version["media-types"] = [
        {
            "base": "application/json",
            "type": "application/vnd.openstack.compute+json;version=2.1",
        }
    ]
    return {"version": version}
