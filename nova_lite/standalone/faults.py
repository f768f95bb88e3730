"""Faults on demand, and a log of calls, for tests (``[standalone] fault_injection``).

``POST /_faults`` takes ``{"kind": "attachments.update", "action": "fail"}`` and
optionally ``nth`` (1 is the next call of that kind, the default), ``times`` (how many
calls from there on, default 1), ``status`` and ``seconds``. The actions:

* ``fail``: answer ``status`` (500) without doing anything;
* ``delay``: wait ``seconds`` (1), then do it;
* ``hang``: wait ``seconds`` (3600), then answer 504 without doing it;
* ``die_after_doing``: do it, but answer ``status`` (504), as a proxy does whose
  server died.

A kind is the collection and the verb, such as ``volumes.create``, ``images.file``
or ``volumes.os-reserve``. ``DELETE /_faults`` forgets all faults; ``GET /_calls`` lists
the calls so far and ``DELETE /_calls`` forgets them.
"""

import dataclasses
import typing

import falcon

from nova_lite import concurrency

ACTIONS = frozenset({"fail", "delay", "hang", "die_after_doing"})


@dataclasses.dataclass
class Fault:
    """One planned fault."""

    kind: str
    action: str
    nth: int = 1
    times: int = 1
    status: int | None = None
    seconds: float | None = None
    seen: int = 0

    def strikes(self) -> bool:
        """Count a call; whether this is one to spoil."""
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class FaultMiddleware:
    """Logs each call and spoils those that were asked for."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.calls: list[dict[str, typing.Any]] = []

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: typing.Any,
        params: dict[str, typing.Any],
    ) -> None:
        """Before the work."""
        kind = _kind_of(req, resource)
        if kind is None:
            return
        req.context.call = call = {
            "kind": kind,
            "method": req.method,
            "path": req.path,
            "project_id": req.context.identity.project_id,
            "is_service": req.context.identity.is_service,
            "microversion": req.get_header("OpenStack-API-Version"),
            "status": None,
        }
        self.calls.append(call)
        fault = next((f for f in self.faults if f.kind == kind and f.strikes()), None)
        req.context.fault = fault
        if fault is None:
            return
        if fault.action == "fail":
            raise falcon.HTTPError(fault.status or 500, description="A fault that was asked for")
        if fault.action == "delay":
            concurrency.sleep(1.0 if fault.seconds is None else fault.seconds)
        elif fault.action == "hang":
            concurrency.sleep(3600.0 if fault.seconds is None else fault.seconds)
            raise falcon.HTTPGatewayTimeout(description="A fault that was asked for")

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: typing.Any,
        req_succeeded: bool,
    ) -> None:
        """After the work."""
        call = getattr(req.context, "call", None)
        if call is None:
            return
        call["status"] = int(str(resp.status).split()[0])
        fault = req.context.fault
        if fault is not None and fault.action == "die_after_doing":
            resp.status = str(fault.status or 504)
            resp.media = None
            resp.text = "A fault that was asked for"
            resp.content_type = "text/plain"


def _kind_of(req: falcon.Request, resource: typing.Any) -> str | None:
    collection = getattr(resource, "collection", None)
    if collection is None:
        return None
    if len((req.uri_template or "").split("/")) > 5:
        return f"{collection}.item"
    suffix = (req.uri_template or "").rpartition("/")[2]
    if suffix == "action":
        body = req.get_media(default_when_empty={})
        verb = next(iter(body), "action") if isinstance(body, dict) else "action"
    elif suffix.startswith("{"):
        verb = {"GET": "show", "PUT": "update", "PATCH": "update"}.get(req.method, "delete")
    elif suffix == collection:
        verb = "create" if req.method == "POST" else "list"
    elif suffix == "file":
        verb = "upload" if req.method == "PUT" else "download"
    else:
        verb = suffix
    return f"{collection}.{verb}"


class FaultResource:
    """``/_faults``."""

    def __init__(self, middleware: FaultMiddleware) -> None:
        self._middleware = middleware

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Plan a fault."""
        try:
            fault = Fault(**req.get_media())
        except TypeError as error:
            raise falcon.HTTPBadRequest(description=str(error)) from error
        if fault.action not in ACTIONS:
            raise falcon.HTTPBadRequest(description=f"action must be one of {sorted(ACTIONS)}")
        self._middleware.faults.append(fault)
        resp.status = falcon.HTTP_201

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Forget all faults."""
        self._middleware.faults.clear()
        resp.status = falcon.HTTP_204


class CallResource:
    """``/_calls``."""

    def __init__(self, middleware: FaultMiddleware) -> None:
        self._middleware = middleware

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Every call so far."""
        resp.media = {"calls": self._middleware.calls}

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Forget the calls."""
        self._middleware.calls.clear()
        resp.status = falcon.HTTP_204


def install(app: typing.Any) -> None:
    """Add the control endpoints and the middleware to a Falcon application."""
    middleware = FaultMiddleware()
    app.add_middleware(middleware)
    app.add_route("/_faults", FaultResource(middleware))
    app.add_route("/_calls", CallResource(middleware))
