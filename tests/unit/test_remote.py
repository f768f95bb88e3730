"""Authentication and catalogs, against a stand-in for Keystone and a service."""

import json
import typing

import pytest

from nova_lite import conf as nova_lite_conf
from nova_lite import context
from nova_lite import exceptions
from nova_lite import remote
from tests.fixtures import embedded


class Cloud:
    """A WSGI application: Keystone at ``/v3``, and a service that notes headers."""

    def __init__(self) -> None:
        self.url = ""
        self.tokens_issued = 0
        self.seen: list[dict[str, str]] = []
        self.status = "200 OK"

    def __call__(self, environ: dict[str, typing.Any], start: typing.Any) -> list[bytes]:
        headers = [("Content-Type", "application/json")]
        if environ["PATH_INFO"] == "/v3/auth/tokens":
            self.tokens_issued += 1
            start("201 Created", [*headers, ("X-Subject-Token", "service-token")])
            return [json.dumps(self._token()).encode()]
        if environ["PATH_INFO"].startswith("/v3"):
            start("200 OK", headers)
            return [b'{"version": {"id": "v3.14", "status": "stable", "links": []}}']
        self.seen.append({key: value for key, value in environ.items() if key.startswith("HTTP_")})
        start(self.status, headers)
        return [json.dumps({"path": environ["PATH_INFO"]}).encode()]

    def _token(self) -> dict[str, typing.Any]:
        endpoint = {"interface": "internal", "region": "R", "region_id": "R", "id": "e"}
        endpoint["url"] = f"{self.url}/from-service-catalog/"
        return {
            "token": {
                "methods": ["password"],
                "user": {"id": "u", "name": "nova", "domain": {"id": "d", "name": "D"}},
                "expires_at": "2999-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "catalog": [{"type": "volumev3", "name": "v", "id": "s", "endpoints": [endpoint]}],
            }
        }


@pytest.fixture(name="cloud")
def fixture_cloud() -> typing.Iterator[Cloud]:
    cloud = Cloud()
    with embedded.serving(cloud) as url:
        cloud.url = url
        yield cloud


def service_of(cloud: Cloud, **overrides: object) -> remote.RemoteService:
    settings: dict[str, object] = {
        "service_user__auth_url": f"{cloud.url}/v3",
        "service_user__password": "planted-secret",
    } | overrides
    return remote.RemoteService(nova_lite_conf.new(files=[], **settings), "cinder")


def user_context(cloud: Cloud) -> context.RequestContext:
    endpoint = {
        "region": "R",
        "publicURL": f"{cloud.url}/public",
        "internalURL": f"{cloud.url}/in",
    }
    return context.RequestContext(
        auth_token="user-token",
        user_id="alice",
        project_id="demo",
        service_catalog=[{"type": "block-storage", "name": "c", "endpoints": [endpoint]}],
        overwrite=False,
    )


def test_a_user_call_carries_both_tokens(cloud: Cloud) -> None:
    """CVE-2023-2088 (a): the user's token and ours, to the catalog's internal endpoint."""
    service = service_of(cloud)
    for _ in range(3):
        body = service.request(user_context(cloud), "GET", "/volumes").json()
    assert body == {"path": "/in/volumes"}
    assert {seen["HTTP_X_AUTH_TOKEN"] for seen in cloud.seen} == {"user-token"}
    assert {seen["HTTP_X_SERVICE_TOKEN"] for seen in cloud.seen} == {"service-token"}
    assert cloud.tokens_issued == 1


def test_recovery_uses_the_service_user(cloud: Cloud) -> None:
    """CVE-2023-2088: and says that it is a service. An administrator's token alone may
    not delete the attachment of a volume in use, so a detach could not be finished."""
    body = service_of(cloud).request(context.admin_context(), "GET", "/volumes").json()
    assert body == {"path": "/from-service-catalog/volumes"}
    assert cloud.seen[0]["HTTP_X_AUTH_TOKEN"] == "service-token"
    assert cloud.seen[0]["HTTP_X_SERVICE_TOKEN"] == "service-token"
    assert cloud.tokens_issued == 1


def test_interfaces_are_tried_in_order(cloud: Cloud) -> None:
    service = service_of(cloud, cinder__interfaces=["admin", "public"])
    assert service.endpoint(user_context(cloud)) == f"{cloud.url}/public"


def test_an_endpoint_may_be_given(cloud: Cloud) -> None:
    service = service_of(cloud, cinder__endpoint_url=f"{cloud.url}/v9/%(project_id)s")
    assert service.endpoint(user_context(cloud)) == f"{cloud.url}/v9/demo"


def test_a_catalog_without_the_service_is_told(cloud: Cloud) -> None:
    service = service_of(cloud, cinder__catalog_types=["sharev2"])
    for ctxt in (user_context(cloud), context.admin_context()):
        with pytest.raises(exceptions.RemoteServiceError, match="catalog"):
            service.request(ctxt, "GET", "/volumes")


def test_a_missing_service_user_is_told(cloud: Cloud) -> None:
    service = service_of(cloud, service_user__auth_url=None)
    with pytest.raises(exceptions.RemoteServiceError, match="auth_url"):
        service.request(user_context(cloud), "GET", "/volumes")


def test_no_secret_is_logged(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    service_of(cloud).request(
        user_context(cloud), "POST", "/volumes", json={"connector": "planted-connector"}
    )
    for secret in ("planted-secret", "planted-connector", "user-token", "service-token"):
        assert secret not in caplog.text


def test_connections_are_reused(cloud: Cloud) -> None:
    service = service_of(cloud)
    ports = set()
    for _ in range(5):
        response = service.request(user_context(cloud), "GET", "/volumes", stream=True)
        ports.add(response.raw.connection.sock.getsockname())
        assert response.json()
    assert len(ports) == 1
