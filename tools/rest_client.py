"""JSON over HTTP to OpenStack services, with the standard library only."""

import json
import time
import typing
import urllib.error
import urllib.parse
import urllib.request

Body: typing.TypeAlias = dict[str, typing.Any]
TIMEOUT_S = 60.0


class RestFailed(Exception):
    """The service did not answer, or answered with an error."""

    def __init__(self, what: str, status: int | None, text: str) -> None:
        super().__init__(f"{what}: {status or 'no answer'}: {text}")
        self.status = status


class RestClient:
    """One user's requests to every service of a catalog."""

    def __init__(self, auth_url: str, username: str, password: str, project: str) -> None:
        """Nothing is sent before the first request.

        :param auth_url: of Keystone, with its version.
        """
        self._auth_url = auth_url
        self._credentials = (username, password, project)
        self._token: str | None = None
        self._catalog: list[Body] = []

    def identity(self, method: str, path: str, body: Body | None = None) -> Body:
        """A request to Keystone itself, wherever the catalog says it is.

        :raises RestFailed: it was refused.
        """
        self._authenticate()
        return self._send(method, self._auth_url + path, body, {"X-Auth-Token": self._token or ""})

    def request(
        self, service_type: str, method: str, path: str, body: Body | None = None, **headers: str
    ) -> Body:
        """A request to the service's public endpoint.

        :raises RestFailed: it was refused.
        """
        self._authenticate()
        headers["X-Auth-Token"] = self._token or ""
        return self._send(method, self._endpoint(service_type) + path, body, headers)

    def _authenticate(self) -> None:
        if self._token is not None:
            return
        username, password, project = self._credentials
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {
                        "user": {
                            "name": username,
                            "domain": {"id": "default"},
                            "password": password,
                        }
                    },
                },
                "scope": {"project": {"name": project, "domain": {"id": "default"}}},
            }
        }
        request = self._request("POST", f"{self._auth_url}/auth/tokens", body, {})
        with self._open(request) as answer:
            self._token = str(answer.headers["X-Subject-Token"])
            self._catalog = json.loads(answer.read())["token"].get("catalog", [])

    def _endpoint(self, service_type: str) -> str:
        for service in self._catalog:
            if service["type"] == service_type:
                for endpoint in service["endpoints"]:
                    if endpoint["interface"] == "public":
                        return str(endpoint["url"]).rstrip("/")
        raise RestFailed(service_type, None, "the catalog has no such service")

    def _send(self, method: str, url: str, body: Body | None, headers: dict[str, str]) -> Body:
        with self._open(self._request(method, url, body, headers)) as answer:
            data = answer.read()
        return json.loads(data) if data else {}

    @staticmethod
    def _request(
        method: str, url: str, body: Body | None, headers: dict[str, str]
    ) -> urllib.request.Request:
        return urllib.request.Request(
            url,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", "Accept": "application/json"}
            | {key.replace("_", "-"): value for key, value in headers.items()},
        )

    @staticmethod
    def _open(request: urllib.request.Request) -> typing.Any:
        what = f"{request.get_method()} {request.full_url}"
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            raise RestFailed(what, error.code, text) from None
        except OSError as error:
            raise RestFailed(what, None, str(error)) from None


def answers_http(url: str) -> bool:
    """Whether somebody serves HTTP there and is not in trouble."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except OSError:
        return False
    return True


def retried(action: typing.Callable[[], Body], timeout_s: float) -> Body:
    """Repeat while the service does not answer or has a server error.

    :raises RestFailed: it still did after ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return action()
        except RestFailed as error:
            if error.status is not None and error.status < 500:
                raise
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)
