"""The embedded identity service: enough of Keystone v3 for the unmodified client.

There is one person and one project. It issues a token to whoever asks, since
the services believe anybody who reaches the loopback address; what the client
needs from it is the catalog, which tells where the other services are.
"""

import datetime
import typing
import uuid

import falcon
from oslo_utils import timeutils

from nova_lite.standalone import web

REGION = "RegionOne"
DOMAIN = {"id": "default", "name": "Default"}
LIFETIME = datetime.timedelta(days=1)


class Versions:
    """``/`` and ``/v3``."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The version document."""
        version = {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{req.prefix}/v3/"}],
            "media-types": [],
        }
        if req.path == "/":
            resp.media = {"versions": {"values": [version]}}
            resp.status = falcon.HTTP_300
        else:
            resp.media = {"version": version}


class Tokens:
    """``/v3/auth/tokens``."""

    def __init__(self, project: str, endpoints: dict[str, str]) -> None:
        self._project = project
        self._endpoints = endpoints

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Issue a token; the user's name is taken from the request."""
        identity = web.json_body(req, "auth", "identity")
        password = identity.get("password")
        user = password.get("user") if isinstance(password, dict) else None
        name = user.get("name") if isinstance(user, dict) else None
        resp.media = self._token(req, str(name or self._project))
        resp.set_header("X-Subject-Token", uuid.uuid4().hex)
        resp.status = falcon.HTTP_201

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Every token is valid."""
        resp.media = self._token(req, self._project)
        resp.set_header("X-Subject-Token", req.get_header("X-Subject-Token") or "")

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Forget a token: nothing to do."""
        resp.status = falcon.HTTP_204

    def _token(self, req: falcon.Request, user: str) -> dict[str, typing.Any]:
        now = timeutils.utcnow()
        endpoints = {"identity": f"{req.prefix}/v3", **self._endpoints}
        return {
            "token": {
                "methods": ["password"],
                "user": {"id": user, "name": user, "domain": DOMAIN},
                "project": {"id": self._project, "name": self._project, "domain": DOMAIN},
                "roles": [{"id": name, "name": name} for name in ("admin", "member", "reader")],
                "is_domain": False,
                "catalog": [_service(kind, url) for kind, url in endpoints.items()],
                "issued_at": _text(now),
                "expires_at": _text(now + LIFETIME),
                "audit_ids": [uuid.uuid4().hex],
            }
        }


def _text(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _service(kind: str, url: str) -> dict[str, typing.Any]:
    return {
        "id": kind,
        "type": kind,
        "name": kind,
        "endpoints": [
            {
                "id": f"{kind}-{interface}",
                "interface": interface,
                "region": REGION,
                "region_id": REGION,
                "url": url,
            }
            for interface in ("public", "internal", "admin")
        ],
    }


class Projects:
    """``/v3/projects`` and ``/v3/auth/projects``: the one project."""

    def __init__(self, project: str) -> None:
        self._project = {
            "id": project,
            "name": project,
            "domain_id": DOMAIN["id"],
            "parent_id": DOMAIN["id"],
            "enabled": True,
            "is_domain": False,
            "description": "",
            "tags": [],
            "options": {},
        }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List, by name if one is given."""
        fits = req.get_param("name") in (None, self._project["name"])
        resp.media = {"projects": [self._project] if fits else [], "links": {"next": None}}

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """Show."""
        if project_id != self._project["id"]:
            raise falcon.HTTPNotFound(description=f"Could not find project: {project_id}.")
        resp.media = {"project": self._project}


def _serialize_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    resp.media = {
        "error": {
            "code": error.status_code,
            "title": error.title,
            "message": error.description or error.title,
        }
    }


def make_app(conf: typing.Any, *, compute_url: str, image_url: str, volume_url: str) -> typing.Any:
    """The WSGI application of the embedded identity service.

    :param compute_url: as ``http://127.0.0.1:8774/v2.1``.
    :param image_url: as ``http://127.0.0.1:9292``.
    :param volume_url: as ``http://127.0.0.1:8776/v3``.
    """
    project = conf.standalone.default_project
    endpoints = {
        "compute": compute_url,
        "image": image_url,
        "block-storage": volume_url,
        "volumev3": volume_url,
    }
    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = True
    app.set_error_serializer(_serialize_error)
    for path in ("/", "/v3"):
        app.add_route(path, Versions())
    app.add_route("/v3/auth/tokens", Tokens(project, endpoints))
    projects = Projects(project)
    app.add_route("/v3/projects", projects)
    app.add_route("/v3/auth/projects", projects)
    app.add_route("/v3/projects/{project_id}", projects, suffix="one")
    return app
