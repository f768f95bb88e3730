"""``/flavors/{flavor_id}/os-extra_specs``."""

import typing

from nova_lite import exceptions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.flavors import handlers
from nova_lite.api.flavors import policy
from nova_lite.api.flavors import schemas
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import flavors


@validation.answers({200: schemas.SPECS})
def index(req: request.Request, flavor_id: str) -> dict[str, typing.Any]:
    """``GET …/os-extra_specs``."""
    req.authorize(policy.SPECS_INDEX)
    return {"extra_specs": handlers.load(req, flavor_id).extra_specs}


@validation.answers({200: schemas.ONE_SPEC})
def show(req: request.Request, flavor_id: str, key: str) -> dict[str, typing.Any]:
    """``GET …/os-extra_specs/{key}``."""
    req.authorize(policy.SPECS_SHOW)
    specs = handlers.load(req, flavor_id).extra_specs
    if key not in specs:
        raise flavors.FlavorExtraSpecNotFound(flavor_id=flavor_id, key=key)
    return {key: specs[key]}


@validation.answers({200: schemas.SPECS})
def create(req: request.Request, flavor_id: str) -> dict[str, typing.Any]:
    """``POST …/os-extra_specs``: add some, keep the others."""
    req.authorize(policy.SPECS_CREATE)
    given = req.body(schemas.SPECS_CREATE)["extra_specs"]
    _add(req, flavor_id, given)
    return {"extra_specs": given}


@validation.answers({200: schemas.ONE_SPEC})
def update(req: request.Request, flavor_id: str, key: str) -> dict[str, typing.Any]:
    """``PUT …/os-extra_specs/{key}``."""
    req.authorize(policy.SPECS_UPDATE)
    given = req.body(schemas.SPECS_UPDATE)
    if key not in given:
        raise exceptions.InvalidInput("Request body and URI mismatch")
    _add(req, flavor_id, given)
    return given


@validation.answers({200: NOTHING})
def delete(req: request.Request, flavor_id: str, key: str) -> request.Response:
    """``DELETE …/os-extra_specs/{key}``."""
    req.authorize(policy.SPECS_DELETE)
    with req.database.api.write() as tx:
        specs = flavors.get(tx, flavor_id).extra_specs
        if key not in specs:
            raise flavors.FlavorExtraSpecNotFound(flavor_id=flavor_id, key=key)
        flavors.set_extra_specs(tx, flavor_id, {k: v for k, v in specs.items() if k != key})
    return request.Response(200)


def _add(req: request.Request, flavor_id: str, given: dict[str, typing.Any]) -> None:
    texts = {key: str(value) for key, value in given.items()}
    with req.database.api.write() as tx:
        specs = flavors.get(tx, flavor_id).extra_specs
        flavors.set_extra_specs(tx, flavor_id, {**specs, **texts})
