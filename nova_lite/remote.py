"""HTTP to the neighbours: one kept-alive, authenticated session a service.

keystoneauth1 does the work and is imported at the first call. Connections are
reused by all green threads; every request has a timeout; bodies and tokens are
never logged.
"""

import logging
import re
import typing

from nova_lite import context
from nova_lite import exceptions

LOG = logging.getLogger(__name__)

POOL_SIZE = 32
"""Kept-alive connections a service; more calls at once open short-lived ones."""

CONNECT_RETRY_DELAY_S = 0.2

# Ids come from users: one that could name another resource is no id.
_SAFE_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")


class Refusal(Exception):
    """An answer of 400 or above: for the client of the service to translate."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Unreachable(exceptions.RemoteServiceError):
    """The service did not answer: no connection, or no answer in time."""


class RemoteService:
    """The HTTP side of a service's client.

    :param conf: the configuration; ``[section]`` and ``[service_user]`` are read.
    :param section: ``cinder`` or ``glance``.
    """

    def __init__(self, conf: typing.Any, section: str) -> None:
        self._options = conf[section]
        self._user_options = conf.service_user
        self.name = section.capitalize()
        self._session: typing.Any = None
        self._service_auth: typing.Any = None

    def request(
        self,
        ctxt: context.RequestContext,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        **kwargs: typing.Any,
    ) -> typing.Any:
        """Send a request and return the ``requests`` response (status < 400).

        :param path: below the endpoint, beginning with a slash and made of plain
            identifiers (anything else is refused as 404); or a whole URL.
        :param kwargs: ``json``, ``data``, ``params``, ``stream``, ``authenticated``.
        :raises Refusal: the service answered with an error.
        :raises Unreachable: it did not answer.
        """
        from keystoneauth1 import exceptions as ks_exceptions

        if path.startswith("/") and not _SAFE_PATH.fullmatch(path):
            raise Refusal(404, "Not an identifier")
        authenticated = kwargs.pop("authenticated", True)
        try:
            response = self._get_session().request(
                self.endpoint(ctxt) + path if path.startswith("/") else path,
                method,
                headers=self._identity_headers(ctxt) | (headers or {}),
                auth=self._auth(ctxt) if authenticated else None,
                authenticated=authenticated and self._options.auth_type != "none",
                raise_exc=False,
                redirect=False,
                log=False,
                connect_retries=self._options.connect_retries if method == "GET" else 0,
                connect_retry_delay=CONNECT_RETRY_DELAY_S,
                **kwargs,
            )
        except (ks_exceptions.ConnectFailure, ks_exceptions.ConnectTimeout) as error:
            raise Unreachable(service=self.name, reason=str(error)) from error
        except ks_exceptions.ClientException as error:
            raise exceptions.RemoteServiceError(service=self.name, reason=str(error)) from error
        LOG.debug("%s: %s %s: %s", self.name, method, path, response.status_code)
        if response.status_code >= 400:
            raise Refusal(response.status_code, _message_of(response))
        return response

    def endpoint(self, ctxt: context.RequestContext) -> str:
        """The service's address for this request, without a slash at its end.

        :raises nova_lite.exceptions.RemoteServiceError: it is in no catalog.
        """
        options = self._options
        if options.endpoint_url:
            url = options.endpoint_url.replace("%(project_id)s", ctxt.project_id or "")
            return str(url).rstrip("/")
        if ctxt.auth_token and ctxt.service_catalog:
            url = _url_in(ctxt.service_catalog, options)
        else:
            url = self._service_endpoint()
        if not url:
            raise exceptions.RemoteServiceError(
                service=self.name,
                reason=f"no endpoint of {', '.join(options.catalog_types)} in the catalog",
            )
        return str(url).rstrip("/")

    def _service_endpoint(self) -> str | None:
        from keystoneauth1 import exceptions as ks_exceptions

        session = self._get_session()
        for service_type in self._options.catalog_types:
            try:
                url = self._get_service_auth().get_endpoint(
                    session,
                    service_type=service_type,
                    interface=list(self._options.interfaces),
                    region_name=self._options.region_name,
                )
            except ks_exceptions.EndpointNotFound:
                continue
            except ks_exceptions.ClientException as error:
                raise exceptions.RemoteServiceError(
                    service="Keystone", reason=str(error)
                ) from error
            if url:
                return str(url)
        return None

    def _identity_headers(self, ctxt: context.RequestContext) -> dict[str, str]:
        headers = {}
        if ctxt.global_id:
            headers["X-Openstack-Request-Id"] = ctxt.global_id
        if self._options.auth_type == "none":
            # The roles header stands for the service token of a real cloud.
            headers["X-Roles"] = "admin,service" if ctxt.is_admin else "member,service"
            headers["X-User-Id"] = ctxt.user_id or "nova"
            headers["X-Project-Id"] = ctxt.project_id or "service"
        return headers

    def _auth(self, ctxt: context.RequestContext) -> typing.Any:
        if self._options.auth_type == "none":
            return None
        from keystoneauth1 import service_token
        from keystoneauth1 import token_endpoint

        service_auth = user_auth = self._get_service_auth()
        if ctxt.auth_token:
            user_auth = token_endpoint.Token(self.endpoint(ctxt), ctxt.auth_token)
        # Also beside our own: without a service token Cinder lets nobody, not even an
        # administrator, delete the attachment of a volume in use (CVE-2023-2088).
        return service_token.ServiceTokenAuthWrapper(user_auth, service_auth)

    def _get_service_auth(self) -> typing.Any:
        if self._service_auth is None:
            from keystoneauth1.identity import v3

            options = self._user_options
            if not options.auth_url:
                raise exceptions.RemoteServiceError(
                    service="Keystone",
                    reason="[service_user] auth_url is not set in the configuration",
                )
            self._service_auth = v3.Password(
                auth_url=options.auth_url,
                username=options.username,
                password=options.password,
                project_name=options.project_name,
                user_domain_name=options.user_domain_name,
                project_domain_name=options.project_domain_name,
            )
        return self._service_auth

    def _get_session(self) -> typing.Any:
        if self._session is None:
            import requests
            from keystoneauth1 import session

            http = requests.Session()
            # Proxies and .netrc are for people's tools, and cost a look at each call.
            http.trust_env = False
            for scheme in ("http://", "https://"):
                http.mount(scheme, session.TCPKeepAliveAdapter(pool_maxsize=POOL_SIZE))
            self._session = session.Session(
                session=http,
                verify=False if self._options.insecure else (self._options.cafile or True),
                timeout=self._options.timeout_s,
                user_agent="nova-lite",
            )
        return self._session


def _url_in(catalog: list[dict[str, typing.Any]], options: typing.Any) -> str | None:
    """The service's address in a catalog of either form keystonemiddleware gives."""
    from keystoneauth1.access import service_catalog

    flat = any("publicURL" in e for s in catalog for e in s.get("endpoints", ()))
    kind = service_catalog.ServiceCatalogV2 if flat else service_catalog.ServiceCatalogV3
    known = kind(catalog)
    for service_type in options.catalog_types:
        urls = known.get_urls(
            service_type=service_type,
            interface=list(options.interfaces),
            region_name=options.region_name,
        )
        if urls:
            return str(urls[0])
    return None


def _message_of(response: typing.Any) -> str:
    """The text for people in an OpenStack error body, of whatever shape."""
    try:
        body = response.json()
    except ValueError:
        return f"HTTP {response.status_code} {response.reason}"
    if isinstance(body, dict):
        for value in (body, *body.values()):
            if isinstance(value, dict) and isinstance(value.get("message"), str):
                return str(value["message"])
    return f"HTTP {response.status_code} {response.reason}"
