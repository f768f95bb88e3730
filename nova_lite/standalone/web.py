"""What both embedded services do with HTTP: identity, errors, paging."""

import ast
import dataclasses
import typing
import uuid

import falcon

from nova_lite.standalone import store


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who asks. Believed from headers, in the form keystonemiddleware sets them.

    ``is_service`` is what a service token says in a real cloud: the role
    ``service`` in ``X-Roles`` or ``X-Service-Roles``.
    """

    project_id: str
    user_id: str
    is_admin: bool
    is_service: bool

    def may_see(self, document: store.Document) -> bool:
        """Whether the document's project is this one's."""
        return self.is_admin or document["project_id"] == self.project_id


def identity_of(req: falcon.Request, default_project: str) -> Identity:
    """The identity in a request's headers.

    A request without ``X-Roles`` is from the only person there is, an administrator.
    """
    roles = _roles(req.get_header("X-Roles", default="admin,member"))
    service_roles = _roles(req.get_header("X-Service-Roles", default=""))
    return Identity(
        project_id=req.get_header("X-Project-Id") or default_project,
        user_id=req.get_header("X-User-Id") or default_project,
        is_admin="admin" in roles,
        is_service="service" in roles | service_roles,
    )


def _roles(text: str) -> set[str]:
    return {role.strip() for role in text.split(",")}


class IdentityMiddleware:
    """Puts ``identity`` and a request id on every request."""

    def __init__(self, default_project: str) -> None:
        self._default_project = default_project

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Before routing."""
        req.context.identity = identity_of(req, self._default_project)
        request_id = f"req-{uuid.uuid4()}"
        req.context.request_id = request_id
        resp.set_header("X-Openstack-Request-Id", request_id)


def json_body(req: falcon.Request, *path: str) -> dict[str, typing.Any]:
    """The request's JSON object, or the object below ``path`` in it.

    :raises falcon.HTTPBadRequest: it is not there.
    """
    body = req.get_media(default_when_empty=None)
    for key in path:
        body = body.get(key) if isinstance(body, dict) else None
    if not isinstance(body, dict):
        where = ".".join(path) or "the body"
        raise falcon.HTTPBadRequest(description=f"Invalid input: {where} must be an object")
    return body


def page(
    documents: list[store.Document], req: falcon.Request, *, max_limit: int = 1000
) -> tuple[list[store.Document], str | None]:
    """The page that ``marker``, ``offset`` and ``limit`` ask for.

    :returns: the page, and the marker of the next one if there is more.
    """
    marker = req.get_param("marker")
    if marker is not None:
        ids = [document["id"] for document in documents]
        if marker not in ids:
            raise falcon.HTTPBadRequest(description=f"marker [{marker}] not found")
        documents = documents[ids.index(marker) + 1 :]
    documents = documents[req.get_param_as_int("offset", min_value=0, default=0) :]
    limit = min(req.get_param_as_int("limit", min_value=0, default=max_limit), max_limit)
    rest = documents[limit:]
    documents = documents[:limit]
    return documents, documents[-1]["id"] if rest and documents else None


def sort(documents: list[store.Document], req: falcon.Request) -> list[store.Document]:
    """The documents as ``sort`` (``key:direction,...``) or ``sort_key`` and
    ``sort_dir`` ask; else the newest first."""
    documents = list(reversed(documents))
    wanted = req.get_param("sort")
    if wanted is None and req.has_param("sort_key"):
        wanted = f"{req.get_param('sort_key')}:{req.get_param('sort_dir', default='desc')}"
    for item in reversed((wanted or "").split(",")):
        key, _, direction = item.partition(":")
        if key:
            documents.sort(
                key=lambda document: str(document.get(key) or ""),  # noqa: B023 (used at once)
                reverse=direction != "asc",
            )
    return documents


_NO_FILTERS = frozenset(
    {"limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants", "with_count"}
)


def matching(documents: list[store.Document], req: falcon.Request) -> list[store.Document]:
    """The documents whose fields equal the query's; an unknown field matches nothing."""
    filters = {key: value for key, value in req.params.items() if key not in _NO_FILTERS}
    if "project_id" in filters and not req.context.identity.is_admin:
        del filters["project_id"]
    return [
        document
        for document in documents
        if all(_matches(document.get(key), key, str(value)) for key, value in filters.items())
    ]


def _matches(found: object, key: str, wanted: str) -> bool:
    """``metadata`` is a dictionary as text, of which all items must be there."""
    if key != "metadata":
        return str(found).lower() == wanted.lower()
    try:
        items = ast.literal_eval(wanted)
    except (ValueError, SyntaxError):
        items = None
    if not isinstance(items, dict):
        raise falcon.HTTPBadRequest(description="metadata is not a dictionary")
    return isinstance(found, dict) and items.items() <= found.items()


def asks_all_projects(req: falcon.Request) -> bool:
    """Whether ``all_tenants`` is set to a true value."""
    return str(req.get_param("all_tenants")).lower() in ("1", "true", "yes")


def next_link(
    req: falcon.Request, collection: str, marker: str | None
) -> dict[str, list[dict[str, str]]]:
    """``{collection}_links`` with the next page, or nothing on the last one."""
    if marker is None:
        return {}
    query = falcon.to_query_str({**req.params, "marker": marker})
    return {f"{collection}_links": [{"rel": "next", "href": f"{req.prefix}{req.path}{query}"}]}
