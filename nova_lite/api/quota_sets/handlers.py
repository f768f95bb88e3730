"""``/os-quota-sets/{tenant_id}``."""

import typing

from nova_lite import exceptions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.quota_sets import policy
from nova_lite.api.quota_sets import schemas
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import quotas


@validation.answers({200: schemas.SHOWN})
def show(req: request.Request, project_id: str) -> dict[str, typing.Any]:
    """``GET /os-quota-sets/{tenant_id}``."""
    req.authorize(policy.SHOW, {"project_id": project_id})
    with req.database.api.read() as tx:
        _, limits = quotas.read(tx, req.conf, project_id)
    return {"quota_set": {"id": project_id, **limits}}


@validation.answers({200: schemas.SHOWN})
def defaults(req: request.Request, project_id: str) -> dict[str, typing.Any]:
    """``GET /os-quota-sets/{tenant_id}/defaults``."""
    req.authorize(policy.DEFAULTS)
    return {"quota_set": {"id": project_id, **quotas.defaults(req.conf)}}


@validation.answers({200: schemas.DETAILED})
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


@validation.answers({200: schemas.UPDATED})
def update(req: request.Request, project_id: str) -> dict[str, typing.Any]:
    """``PUT /os-quota-sets/{tenant_id}``.

    A limit below what is used is refused unless ``force`` is given.
    """
    req.authorize(policy.UPDATE)
    _refuse_user(req)
    body = req.body(schemas.UPDATE)["quota_set"]
    wanted = {name: int(body[name]) for name in schemas.RESOURCES if name in body}
    with req.database.api.write() as tx:
        used, _ = quotas.read(tx, req.conf, project_id)
        if str(body.get("force", "")).lower() not in ("true", "1", "yes", "on"):
            _refuse_below_use(wanted, used)
        quotas.set_limits(tx, project_id, wanted)
        _, limits = quotas.read(tx, req.conf, project_id)
    return {"quota_set": limits}


def _refuse_user(req: request.Request) -> None:
    """A user's own quotas are not taken for the project's.

    :raises exceptions.InvalidInput: the query names a user.
    """
    if "user_id" in req.query(schemas.CHANGE_QUERY):
        raise exceptions.InvalidInput(
            "user_id: quotas of single users are not kept; leave it out to change the project's."
        )


def _refuse_below_use(wanted: dict[str, int], used: quotas.Amount) -> None:
    for resource, limit in wanted.items():
        in_use = getattr(used, resource, 0)
        if 0 <= limit < in_use:
            raise exceptions.InvalidInput(
                f"Quota limit {limit} for {resource} must be greater than or equal to already "
                f"used and reserved {in_use}."
            )


@validation.answers({202: NOTHING})
def delete(req: request.Request, project_id: str) -> request.Response:
    """``DELETE /os-quota-sets/{tenant_id}``."""
    req.authorize(policy.DELETE)
    _refuse_user(req)
    with req.database.api.write() as tx:
        quotas.reset(tx, project_id)
    return request.ACCEPTED
