"""Who asks: from keystonemiddleware's headers, or nobody in particular."""

import ipaddress
import json
import typing

import falcon
from oslo_config import cfg

from nova_lite import context
from nova_lite import exceptions
from nova_lite.api import faults
from nova_lite.api import policy

WsgiApp: typing.TypeAlias = typing.Any

# Version documents are for everybody: a client reads them to find the way.
PUBLIC_PATHS = frozenset({"/", "", "/v2.1", "/v2.1/"})

_NOAUTH_DEFAULTS = {
    "HTTP_X_USER_ID": "demo",
    "HTTP_X_PROJECT_ID": "demo",
    "HTTP_X_ROLES": "admin,member,reader",
}


class UnsafeNoAuth(exceptions.NovaLiteError):
    """``noauth`` on an address that others can reach."""

    template = (
        "[api] auth_strategy = noauth makes everybody the administrator, so it is only allowed "
        "on a loopback address, and [api] bind_host is {host}. Use 127.0.0.1, or keystone."
    )


class Identity:
    """Makes the context of a request from the headers that tell who asks."""

    def __init__(self, conf: cfg.ConfigOpts, enforcer: policy.Enforcer) -> None:
        self._noauth = conf.api.auth_strategy == "noauth"
        self._enforcer = enforcer
        if self._noauth and not _is_loopback(conf.api.bind_host):
            raise UnsafeNoAuth(host=conf.api.bind_host)

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        """401 without a valid token; 400 for another project's path."""
        if request.path in PUBLIC_PATHS:
            return
        if self._noauth:
            for name, value in _NOAUTH_DEFAULTS.items():
                request.env.setdefault(name, value)
        elif request.env.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
            raise faults.Unauthorized()
        catalog = request.env.get("HTTP_X_SERVICE_CATALOG")
        ctxt = context.RequestContext.from_environ(
            request.env,
            service_catalog=json.loads(catalog) if catalog else None,
            overwrite=True,
        )
        ctxt.is_admin = self._enforcer.is_admin(ctxt)
        request.context.ctxt = ctxt
        project_id = request.context.path_project_id
        if project_id is not None and project_id != ctxt.project_id and not self._noauth:
            raise exceptions.InvalidInput(
                f"Malformed request URL: URL's project_id '{project_id}' doesn't match "
                f"Context's project_id '{ctxt.project_id}'"
            )


def wrap(app: WsgiApp, conf: cfg.ConfigOpts) -> WsgiApp:
    """``app`` behind keystonemiddleware, unless ``noauth``.

    The decision is left to :class:`Identity`, since version documents need no
    token and errors should have our form.
    """
    if conf.api.auth_strategy == "noauth":
        return app
    from keystonemiddleware import auth_token

    return auth_token.AuthProtocol(app, {"oslo_config_config": conf, "delay_auth_decision": True})


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
