"""What a handler is given, and what it gives back.

Every handler has one shape: ``handler(request, **path_parameters)`` returning a
dictionary (200), a :class:`Response`, or raising one of our exceptions. Inside it
is always in the same order: policy, validate, load, one call, view.
"""

import collections.abc
import dataclasses
import functools
import typing
import urllib.parse

import falcon
from oslo_config import cfg

from nova_lite import context
from nova_lite import exceptions
from nova_lite.api import faults
from nova_lite.api import microversion
from nova_lite.api import policy
from nova_lite.api import validation
from nova_lite.db import session

if typing.TYPE_CHECKING:
    from nova_lite.image import glance
    from nova_lite.rpc import compute
    from nova_lite.rpc import conductor
    from nova_lite.rpc import scheduler
    from nova_lite.volume import cinder

Query: typing.TypeAlias = dict[str, list[str]]


@dataclasses.dataclass(frozen=True)
class Services:
    """Everything a handler may reach."""

    conf: cfg.ConfigOpts
    database: session.Database
    conductor: "conductor.ConductorClient"
    scheduler: "scheduler.SchedulerClient"
    compute: "compute.ComputeClient"
    cinder: "cinder.CinderClient"
    glance: "glance.GlanceClient"

    @functools.cached_property
    def enforcer(self) -> policy.Enforcer:
        """The rules of this deployment."""
        return policy.Enforcer(self.conf)


@dataclasses.dataclass(frozen=True)
class Response:
    """An answer other than a plain 200 with a body."""

    status: int = 200
    body: object = None
    headers: collections.abc.Mapping[str, str] = dataclasses.field(default_factory=dict)


NO_CONTENT = Response(204)
ACCEPTED = Response(202)


class Request:
    """One request: who, which version, body, query, and the services."""

    def __init__(self, services: Services, http: falcon.Request) -> None:
        self.services = services
        self.conf = services.conf
        self.database = services.database
        self.http = http
        self.ctxt: context.RequestContext = http.context.ctxt
        self.version: microversion.Version = http.context.version
        # A client that puts its project into the path finds it in the links.
        self.path_project_id: str | None = http.context.path_project_id

    @property
    def base_url(self) -> str:
        """The service's root, without version and trailing slash."""
        return str(self.conf.api.compute_link_prefix or self.http.prefix).rstrip("/")

    def url(self, *parts: str, version: bool = True) -> str:
        """A URL below this API; without ``version`` it is a bookmark."""
        head = [self.base_url]
        if version:
            head.append("v2.1")
        if self.path_project_id:
            # Quoted as it came: with noauth it is any text.
            head.append(urllib.parse.quote(self.path_project_id, safe=""))
        return "/".join([*head, *parts])

    def links(self, collection: str, item_id: str) -> list[dict[str, str]]:
        """The two links that every resource carries."""
        return [
            {"rel": "self", "href": self.url(collection, item_id)},
            {"rel": "bookmark", "href": self.url(collection, item_id, version=False)},
        ]

    def can(self, rule: str, target: dict[str, typing.Any] | None = None) -> bool:
        """Whether policy allows; see :meth:`policy.Enforcer.can`."""
        return self.services.enforcer.can(self.ctxt, rule, target)

    def authorize(self, rule: str, target: dict[str, typing.Any] | None = None) -> None:
        """Refuse with 403 unless policy allows."""
        self.services.enforcer.authorize(self.ctxt, rule, target)

    @functools.cached_property
    def json(self) -> typing.Any:
        """The body as JSON values.

        :raises exceptions.InvalidInput: it is not JSON.
        :raises faults.UnsupportedMediaType: it says it is something else.
        :raises faults.BodyTooLarge: as the name says.
        """
        limit = self.conf.api.max_request_body_bytes
        kind = (self.http.content_type or "application/json").partition(";")[0].strip()
        raw = self.http.bounded_stream.read(limit + 1)
        if len(raw) > limit:
            raise faults.BodyTooLarge(limit=limit)
        if raw and not (kind == "application/json" or kind.endswith("+json")):
            raise faults.UnsupportedMediaType()
        try:
            return validation.load_json(raw) if raw else None
        except (ValueError, RecursionError) as error:
            raise exceptions.InvalidInput("Malformed request body") from error

    def body(self, schemas: validation.Schemas) -> dict[str, typing.Any]:
        """The body, once ``schemas`` allow it."""
        schemas.check(self.json, self.version)
        return typing.cast(dict[str, typing.Any], self.json)

    def query(self, schemas: validation.Schemas) -> Query:
        """The query's parameters, each a list of values, once allowed."""
        values = urllib.parse.parse_qs(self.http.query_string, keep_blank_values=True)
        validation.require_storable(values)
        schemas.check(values, self.version, where="query")
        return values

    def require(self, found: typing.Any, message: str) -> typing.Any:
        """``found``, or 404 with ``message`` when it is None."""
        if found is None:
            raise exceptions.NotFound(message)
        return found


Handler: typing.TypeAlias = collections.abc.Callable[
    ..., "Response | dict[str, typing.Any] | None"
]
