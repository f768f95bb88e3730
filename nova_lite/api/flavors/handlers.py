"""``/flavors``."""

import typing
import uuid

from oslo_utils import strutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import microversion
from nova_lite.api import paging
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.flavors import policy
from nova_lite.api.flavors import schemas
from nova_lite.api.flavors import views
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import flavors


def visible_to(req: request.Request) -> str | None:
    """Whose flavors a request sees: None, for an administrator, is all."""
    return None if req.ctxt.is_admin else req.ctxt.project_id


def load(req: request.Request, flavor_id: str) -> objects.Flavor:
    """The flavor of the path.

    :raises exceptions.FlavorNotFound: there is none, or it is not for this project.
    """
    with req.database.api.read() as tx:
        return flavors.get(tx, flavor_id, project_id=visible_to(req))


def _page(req: request.Request) -> tuple[request.Query, list[objects.Flavor]]:
    query = req.query(schemas.INDEX)
    try:
        with req.database.api.read() as tx:
            page = flavors.list_page(
                tx,
                project_id=visible_to(req),
                is_public=_is_public_filter(req, query),
                min_disk_gib=_number(query, "minDisk"),
                min_ram_mib=_number(query, "minRam"),
                sort_key=query.get("sort_key", ["flavorid"])[0],
                sort_descending=query.get("sort_dir", ["asc"])[0] == "desc",
                marker=paging.marker(query),
                limit=paging.limit(req, query),
            )
    except exceptions.FlavorNotFound as error:
        raise exceptions.InvalidInput(f"marker [{paging.marker(query)}] not found") from error
    return query, page


def _is_public_filter(req: request.Request, query: request.Query) -> bool | None:
    """True unless an administrator asks for private ones or (``none``) both.

    Others see the public ones and those given to them, whatever they ask.
    """
    if not req.ctxt.is_admin:
        return None
    text = query.get("is_public", ["true"])[-1]
    if text.lower() == "none":
        return None
    try:
        return bool(strutils.bool_from_string(text, strict=True))
    except ValueError as error:
        raise exceptions.InvalidInput(f"Invalid is_public filter [{text}]") from error


def _number(query: request.Query, name: str) -> int:
    text = query.get(name, ["0"])[-1]
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise exceptions.InvalidInput(f"Invalid {name} filter [{text}]")
    return min(int(text), validation.MAX_INT)


@validation.answers({200: schemas.LISTED})
def index(req: request.Request) -> dict[str, typing.Any]:
    """``GET /flavors``."""
    query, page = _page(req)
    return _collection(req, query, "flavors", [views.brief(req, flavor) for flavor in page])


@validation.answers({200: schemas.DETAILED})
def detail(req: request.Request) -> dict[str, typing.Any]:
    """``GET /flavors/detail``."""
    query, page = _page(req)
    extra_specs = views.may_show_extra_specs(req)
    items = [views.detail(req, flavor, show_extra_specs=extra_specs) for flavor in page]
    return _collection(req, query, "flavors/detail", items)


def _collection(
    req: request.Request, query: request.Query, path: str, items: list[dict[str, typing.Any]]
) -> dict[str, typing.Any]:
    body: dict[str, typing.Any] = {"flavors": items}
    links = paging.next_links(req, query, path, items, items[-1]["id"] if items else None)
    if links:
        body["flavors_links"] = links
    return body


@validation.answers({200: schemas.SHOWN})
def show(req: request.Request, flavor_id: str) -> dict[str, typing.Any]:
    """``GET /flavors/{flavor_id}``."""
    flavor = load(req, flavor_id)
    return _one(req, flavor)


def _one(req: request.Request, flavor: objects.Flavor) -> dict[str, typing.Any]:
    extra_specs = views.may_show_extra_specs(req)
    return {"flavor": views.detail(req, flavor, show_extra_specs=extra_specs)}


@validation.answers({200: schemas.SHOWN})
def create(req: request.Request) -> dict[str, typing.Any]:
    """``POST /flavors``."""
    req.authorize(policy.CREATE)
    body = req.body(schemas.CREATE)["flavor"]
    flavor_id = body.get("id")
    if flavor_id in (None, "", "auto"):
        flavor_id = str(uuid.uuid4())
    is_public = body.get("os-flavor-access:is_public", True)
    flavor = objects.Flavor(
        flavorid=str(flavor_id).strip(),
        name=body["name"].strip(),
        memory_mib=int(body["ram"]),
        vcpus=int(body["vcpus"]),
        root_gib=int(body["disk"]),
        ephemeral_gib=int(body.get("OS-FLV-EXT-DATA:ephemeral", 0)),
        swap_mib=int(body.get("swap", 0)),
        rxtx_factor=float(body.get("rxtx_factor", 1.0)),
        is_public=strutils.bool_from_string(is_public, strict=True),
        description=body.get("description"),
    )
    with req.database.api.write() as tx:
        flavors.create(tx, flavor)
    return _one(req, flavor)


@microversion.available("2.55")
@validation.answers({200: schemas.SHOWN})
def update(req: request.Request, flavor_id: str) -> dict[str, typing.Any]:
    """``PUT /flavors/{flavor_id}``: only the description can change."""
    req.authorize(policy.UPDATE)
    body = req.body(schemas.UPDATE)["flavor"]
    flavor = load(req, flavor_id)
    flavor.description = body["description"]
    with req.database.api.write() as tx:
        flavors.update_description(tx, flavor_id, flavor.description)
    return _one(req, flavor)


@validation.answers({202: NOTHING})
def delete(req: request.Request, flavor_id: str) -> request.Response:
    """``DELETE /flavors/{flavor_id}``."""
    req.authorize(policy.DELETE)
    with req.database.api.write() as tx:
        flavors.delete(tx, flavor_id)
    return request.ACCEPTED
