"""The WSGI application: middleware, routes, errors."""

import json
import types
import typing

import falcon

from nova_lite.api import faults
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import routes
from nova_lite.api import validation
from nova_lite.api.middleware import auth
from nova_lite.api.middleware import path
from nova_lite.api.middleware import request_id
from nova_lite.api.middleware import version
from nova_lite.api.request import Services

__all__ = ["Services", "make_app"]


def make_app(services: Services) -> typing.Any:
    """The API as a WSGI callable.

    Order matters. The request id comes first, so that every answer has one, also
    a 401. The project id leaves the path before anything reads the path. Identity
    comes before the version, since a stranger should learn nothing; the version
    before the route, since it decides what exists.

    :raises auth.UnsafeNoAuth: ``noauth`` on an address others can reach.
    """
    middleware: list[typing.Any] = [
        request_id.RequestId(),
        path.ProjectInPath({url.split("/")[1] for url in routes.ROUTES}),
        auth.Identity(services.conf, services.enforcer),
        version.Negotiation(),
    ]
    app = falcon.App(middleware=middleware)
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(Exception, faults.handle)
    app.add_error_handler(falcon.HTTPError, faults.handle)
    for url, methods in routes.VERSION_DOCUMENTS.items():
        app.add_route(url, types.SimpleNamespace(on_get=_document(services, methods["GET"])))
    for url, methods in routes.ROUTES.items():
        responders = {
            f"on_{method.lower()}": _responder(services, handler)
            for method, handler in methods.items()
        }
        app.add_route(f"{path.PREFIX}{url}", types.SimpleNamespace(**responders))
    return auth.wrap(app, services.conf)


def _responder(services: Services, handler: request.Handler) -> typing.Any:
    """Falcon's view of one handler."""

    def respond(http: falcon.Request, response: falcon.Response, **parameters: str) -> None:
        req = request.Request(services, http)
        if not microversion.is_available(handler, req.version):
            raise falcon.HTTPNotFound()
        validation.require_storable(parameters)
        _send(response, handler(req, **parameters))

    return respond


def _document(services: Services, handler: request.Handler) -> typing.Any:
    """Falcon's view of a version document, which has no context."""

    def respond(http: falcon.Request, response: falcon.Response) -> None:
        base_url = services.conf.api.compute_link_prefix or http.prefix
        _send(response, handler(str(base_url).rstrip("/")))

    return respond


def _send(
    response: falcon.Response, result: request.Response | dict[str, typing.Any] | None
) -> None:
    """Write what a handler returned."""
    if not isinstance(result, request.Response):
        result = request.Response(body=result)
    response.status = result.status
    response.set_headers(dict(result.headers))
    if result.body is not None:
        response.content_type = "application/json"
        response.data = json.dumps(result.body).encode()
