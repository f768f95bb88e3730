"""Errors as Nova's clients know them: ``{"itemNotFound": {"code": 404, ...}}``."""

import http
import json
import logging

import falcon

from nova_lite import exceptions

LOG = logging.getLogger(__name__)

NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}

_MESSAGES = {
    404: "The resource could not be found.",
    405: "The method specified is not allowed for this resource.",
}


class Unauthorized(exceptions.NovaLiteError):
    """There is no valid token."""

    template = "The request you have made requires authentication."
    http_status = 401


class UnsupportedMediaType(exceptions.NovaLiteError):
    """The body is not JSON by its own account."""

    template = "Unsupported Content-Type; use application/json."
    http_status = 415


class BodyTooLarge(exceptions.NovaLiteError):
    """The body exceeds ``[api] max_request_body_bytes``."""

    template = "Request is too large: at most {limit} bytes are accepted."
    http_status = 413


def body(code: int, message: str) -> bytes:
    """The JSON document of an error."""
    fault = {NAMES.get(code, "computeFault"): {"code": code, "message": message}}
    return json.dumps(fault).encode()


def handle(
    _request: falcon.Request,
    response: falcon.Response,
    error: Exception,
    _params: dict[str, object],
) -> None:
    """Falcon's error handler for everything that is raised below it."""
    if isinstance(error, exceptions.NovaLiteError):
        code, message = error.http_status, error.message
    elif isinstance(error, falcon.HTTPError):
        code = error.status_code
        message = _MESSAGES.get(code) or error.description or error.title or ""
        response.set_headers(error.headers or {})
    else:
        code, message = 500, ""
    if code == 500:
        # What happened is for the log; the user gets the class and an id.
        LOG.error("Unexpected API error", exc_info=error)
        message = (
            "Unexpected API Error. Please report this to the operator with the request id.\n"
            f"{type(error)}"
        )
    elif isinstance(error, exceptions.NovaLiteError) and not error.is_for_users:
        LOG.error("%s", message)
        message = f"Unexpected error: {type(error).__name__}"
    response.status = http.HTTPStatus(code)
    response.content_type = "application/json; charset=UTF-8"
    response.data = body(code, message)
