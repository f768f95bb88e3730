"""``/flavors/{flavor_id}/os-flavor-access`` and the two actions that change it."""

import typing

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.flavors import handlers
from nova_lite.api.flavors import policy
from nova_lite.api.flavors import schemas
from nova_lite.db.queries import flavors


@validation.answers({200: schemas.ACCESS})
def index(req: request.Request, flavor_id: str) -> dict[str, typing.Any]:
    """``GET …/os-flavor-access``."""
    req.authorize(policy.ACCESS_INDEX)
    flavor = handlers.load(req, flavor_id)
    if flavor.is_public:
        raise exceptions.NotFound("Access list not available for public flavors.")
    return _view(req, flavor)


@validation.answers({200: schemas.ACCESS})
def action(req: request.Request, flavor_id: str) -> dict[str, typing.Any]:
    """``POST /flavors/{flavor_id}/action``."""
    if isinstance(req.json, dict) and "addTenantAccess" in req.json:
        return _add(req, flavor_id)
    if isinstance(req.json, dict) and "removeTenantAccess" in req.json:
        return _remove(req, flavor_id)
    raise exceptions.InvalidInput(
        "There is no such action: use addTenantAccess or removeTenantAccess"
    )


def _add(req: request.Request, flavor_id: str) -> dict[str, typing.Any]:
    req.authorize(policy.ACCESS_ADD)
    project_id = req.body(schemas.ADD_ACCESS)["addTenantAccess"]["tenant"]
    flavor = handlers.load(req, flavor_id)
    if flavor.is_public and req.version >= microversion.NO_ACCESS_TO_PUBLIC_FLAVOR:
        raise exceptions.Conflict(reason="Can not add access to a public flavor.")
    with req.database.api.write() as tx:
        flavors.add_access(tx, flavor, project_id)
    return _view(req, flavor)


def _remove(req: request.Request, flavor_id: str) -> dict[str, typing.Any]:
    req.authorize(policy.ACCESS_REMOVE)
    project_id = req.body(schemas.REMOVE_ACCESS)["removeTenantAccess"]["tenant"]
    flavor = handlers.load(req, flavor_id)
    with req.database.api.write() as tx:
        flavors.remove_access(tx, flavor, project_id)
    return _view(req, flavor)


def _view(req: request.Request, flavor: objects.Flavor) -> dict[str, typing.Any]:
    with req.database.api.read() as tx:
        projects = flavors.list_access(tx, flavor)
    return {
        "flavor_access": [
            {"flavor_id": flavor.flavorid, "tenant_id": project_id} for project_id in projects
        ]
    }
