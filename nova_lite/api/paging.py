"""Pages of a list: ``limit`` and ``marker`` in, the link to the next page out."""

import typing
import urllib.parse

from nova_lite.api import request


def limit(req: request.Request, query: request.Query) -> int:
    """Items in one page: what is asked, at most ``[api] max_limit``."""
    maximum = int(req.conf.api.max_limit)
    asked = query.get("limit")
    # Several values are allowed by Nova; the last one counts.
    return min(int(asked[-1]), maximum) if asked else maximum


def marker(query: request.Query) -> str | None:
    """The id of the last item of the page before."""
    values = query.get("marker")
    return values[-1] if values else None


def next_links(
    req: request.Request,
    query: request.Query,
    collection: str,
    items: list[typing.Any],
    last_id: str | None,
) -> list[dict[str, str]]:
    """The ``next`` link when the page is full, else nothing.

    :param collection: path below the API, like ``servers/detail``.
    :param last_id: id of the last of ``items``.
    """
    if not items or len(items) < limit(req, query):
        return []
    parameters = sorted({**query, "marker": [last_id or ""]}.items())
    text = urllib.parse.urlencode(parameters, doseq=True)
    return [{"rel": "next", "href": f"{req.url(collection)}?{text}"}]
