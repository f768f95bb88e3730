"""Microversion negotiation around every request."""

import falcon

from nova_lite.api import microversion
from nova_lite.api.middleware import auth


class Negotiation:
    """Finds the version a request asks for and says it in the answer."""

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        """400 for a malformed version, 406 for one we do not have."""
        if request.path in auth.PUBLIC_PATHS:
            return
        request.context.version = microversion.negotiate(
            {name.lower(): value for name, value in request.headers.items()}
        )

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        _resource: object,
        _succeeded: bool,
    ) -> None:
        """Both headers, and that caches must mind them."""
        version = getattr(request.context, "version", None)
        if version is None:
            return
        response.set_header(microversion.HEADER, f"{microversion.SERVICE_TYPE} {version}")
        response.set_header(microversion.LEGACY_HEADER, str(version))
        response.set_header("Vary", f"{microversion.HEADER}, {microversion.LEGACY_HEADER}")
