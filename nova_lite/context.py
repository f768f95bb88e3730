"""Who asks, on whose behalf, and under which request id."""

import typing

from oslo_context import context as oslo_context


class RequestContext(oslo_context.RequestContext):
    """What oslo.context carries, as it travels over RPC.

    The user's token is part of it, so that compute can call Cinder and Glance
    as the user; oslo.log and the RPC layer mask it.
    """

    FROM_DICT_EXTRA_KEYS: typing.ClassVar[list[str]] = ["service_catalog"]

    def __init__(
        self,
        *,
        service_catalog: list[dict[str, typing.Any]] | None = None,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(**kwargs)
        self.service_catalog = service_catalog or []

    def to_dict(self) -> dict[str, typing.Any]:
        """The form that crosses a process border."""
        values = super().to_dict()
        values["service_catalog"] = self.service_catalog
        return values

    @classmethod
    def from_dict(cls, values: dict[str, typing.Any], **kwargs: typing.Any) -> "RequestContext":
        """The inverse of :meth:`to_dict`."""
        return typing.cast(RequestContext, super().from_dict(values, **kwargs))

    def elevated(self) -> "RequestContext":
        """The same request with administrator rights, for our own look-ups."""
        values = self.to_dict()
        values["is_admin"] = True
        return RequestContext.from_dict(values)

    def as_service(self) -> "RequestContext":
        """The same request with this service's own credentials instead of the
        caller's: for calls that a neighbour allows administrators only, on behalf of
        another service that policy trusts."""
        values = self.to_dict()
        values.update(auth_token=None, service_token=None, service_catalog=[], is_admin=True)
        return RequestContext.from_dict(values, overwrite=False)


def admin_context() -> RequestContext:
    """A context for work that no user asked for (periodic tasks, recovery)."""
    return RequestContext(is_admin=True, overwrite=False)


def without_secrets(ctxt: RequestContext) -> dict[str, typing.Any]:
    """What may be stored of a context: who and what, no token, no catalog.

    Work that is taken over later runs with the service's own credentials.
    """
    values = ctxt.to_dict()
    for name in ("auth_token", "service_token", "service_catalog"):
        values.pop(name, None)
    return values
