"""``/os-quota-sets/{tenant_id}``."""

import typing

from nova_lite import exceptions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.quota_sets import policy
from nova_lite.api.validation import obj
from nova_lite.db.queries import quotas

_LIMIT = validation.integer(-1, 0x7FFFFFFF)
# What a quota can be set for; Nova's other resources do not exist here, and
# setting a limit that would not be kept is refused.
_RESOURCES = ("instances", "cores", "ram", "metadata_items", "key_pairs")

UPDATE = validation.Schemas(
    (
        "2.1",
        None,
        obj(
            {
                "quota_set": obj(
                    {
                        **{resource: _LIMIT for resource in _RESOURCES},
                        "tenant_id": {"type": "string"},
                        "force": validation.BOOLEAN,
                    }
                )
            },
            ["quota_set"],
        ),
    )
)


def show(req: request.Request, project_id: str) -> dict[str, typing.Any]:
    """``GET /os-quota-sets/{tenant_id}``."""
    req.authorize(policy.SHOW, {"project_id": project_id})
    with req.database.api.read() as tx:
        _, limits = quotas.read(tx, req.conf, project_id)
    return {"quota_set": {"id": project_id, **limits}}


def defaults(req: request.Request, project_id: str) -> dict[str, typing.Any]:
    """``GET /os-quota-sets/{tenant_id}/defaults``."""
    req.authorize(policy.DEFAULTS)
    return {"quota_set": {"id": project_id, **quotas.defaults(req.conf)}}


def detail(req: request.Request, project_id: str) -> dict[str, typing.Any]:
    """``GET /os-quota-sets/{tenant_id}/detail``: with what is used."""
    req.authorize(policy.DETAIL, {"project_id": project_id})
    with req.database.api.read() as tx:
        used, limits = quotas.read(tx, req.conf, project_id)
    return {
        "quota_set": {
            "id": project_id,
            **{
                resource: {"limit": limit, "in_use": getattr(used, resource, 0), "reserved": 0}
                for resource, limit in limits.items()
            },
        }
    }


def update(req: request.Request, project_id: str) -> dict[str, typing.Any]:
    """``PUT /os-quota-sets/{tenant_id}``.

    A limit below what is used is refused unless ``force`` is given.
    """
    req.authorize(policy.UPDATE)
    body = req.body(UPDATE)["quota_set"]
    wanted = {name: int(body[name]) for name in _RESOURCES if name in body}
    with req.database.api.write() as tx:
        used, _ = quotas.read(tx, req.conf, project_id)
        if str(body.get("force", "")).lower() not in ("true", "1", "yes", "on"):
            _refuse_below_use(wanted, used)
        quotas.set_limits(tx, project_id, wanted)
        _, limits = quotas.read(tx, req.conf, project_id)
    return {"quota_set": limits}


def _refuse_below_use(wanted: dict[str, int], used: quotas.Amount) -> None:
    for resource, limit in wanted.items():
        in_use = getattr(used, resource, 0)
        if 0 <= limit < in_use:
            raise exceptions.InvalidInput(
                f"Quota limit {limit} for {resource} must be greater than or equal to already "
                f"used and reserved {in_use}."
            )


def delete(req: request.Request, project_id: str) -> request.Response:
    """``DELETE /os-quota-sets/{tenant_id}``."""
    req.authorize(policy.DELETE)
    with req.database.api.write() as tx:
        quotas.reset(tx, project_id)
    return request.ACCEPTED
