"""A request id for every request, and the caller's own id beside it."""

import re
import uuid

import falcon

_GLOBAL_ID = re.compile(r"^req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class RequestId:
    """Gives the request its id and returns it in two headers.

    ``X-OpenStack-Request-ID`` of the caller (another service's request) is kept
    as the global id, which is passed on to other services.
    """

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        """Put the ids where oslo.context looks for them."""
        request.env["openstack.request_id"] = f"req-{uuid.uuid4()}"
        given = request.get_header("X-OpenStack-Request-ID") or ""
        if _GLOBAL_ID.match(given):
            request.env["openstack.global_request_id"] = given

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        _resource: object,
        _succeeded: bool,
    ) -> None:
        """Tell the client."""
        request_id = request.env["openstack.request_id"]
        response.set_header("X-Openstack-Request-Id", request_id)
        response.set_header("X-Compute-Request-Id", request_id)
