"""A small HTTP client that costs little beside what it measures."""

import http.client
import json
import time
import typing

Body: typing.TypeAlias = dict[str, typing.Any]

POLL_INTERVAL_S = 0.005
"""Between two looks at a server: finer would take the processor from the daemons."""


class Refused(Exception):
    """A request was answered with an error."""


class Client:
    """One kept-alive connection to the API, as one user."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def close(self) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: Body | None = None) -> tuple[int, bytes]:
        """Status and unparsed body."""
        self._connection.request(
            method,
            f"/v2.1{path}",
            body=json.dumps(body).encode() if body is not None else None,
            headers={
                "Content-Type": "application/json",
                "X-Project-Id": "benchmark",
                "X-User-Id": "benchmark",
                "X-Roles": "admin,member,reader",
                "OpenStack-API-Version": "compute 2.90",
            },
        )
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def ok(self, method: str, path: str, body: Body | None = None) -> Body:
        """The parsed body of a 2xx answer.

        :raises Refused: it was another.
        """
        status, data = self.request(method, path, body)
        if not 200 <= status < 300:
            raise Refused(f"{method} {path}: {status} {data.decode(errors='replace')}")
        return typing.cast(Body, json.loads(data)) if data else {}

    def create(self, image_id: str, name: str, **more: typing.Any) -> str:
        """``POST /servers`` for a server that boots from the image; its id."""
        server = {
            "name": name,
            "imageRef": image_id,
            "flavorRef": "benchmark",
            "networks": "none",
            **more,
        }
        return str(self.ok("POST", "/servers", {"server": server})["server"]["id"])

    def delete(self, server_id: str) -> None:
        self.ok("DELETE", f"/servers/{server_id}")

    def wait_active(self, server_id: str, timeout_s: float = 60.0) -> None:
        """Poll until the server is ACTIVE.

        :raises Refused: it went into ERROR, or nowhere in time.
        """
        end = time.monotonic() + timeout_s
        while True:
            server = self.ok("GET", f"/servers/{server_id}")["server"]
            if server["status"] == "ACTIVE":
                return
            if server["status"] == "ERROR" or time.monotonic() > end:
                raise Refused(f"{server_id} is {server['status']}: {server.get('fault')}")
            time.sleep(POLL_INTERVAL_S)

    def wait_count(self, status: str, count: int, timeout_s: float = 300.0) -> None:
        """Poll the list until so many servers are in ``status``.

        :raises Refused: some went into ERROR, or it took too long.
        """
        end = time.monotonic() + timeout_s
        while True:
            servers = self.ok("GET", "/servers?status=ERROR")["servers"]
            if servers:
                raise Refused(f"{len(servers)} servers are in ERROR, first {servers[0]['id']}")
            if len(self.ok("GET", f"/servers?status={status}")["servers"]) == count:
                return
            if time.monotonic() > end:
                raise Refused(f"never {count} servers in {status}")
            time.sleep(0.05)

    def wait_gone(self, timeout_s: float = 300.0) -> None:
        """Poll until there is no server.

        :raises Refused: there still are.
        """
        end = time.monotonic() + timeout_s
        while left := self.ok("GET", "/servers")["servers"]:
            if time.monotonic() > end:
                raise Refused(f"{len(left)} servers are left")
            time.sleep(0.05)
