"""Answers as they pass over a socket: what is in a header stays in it."""

import http.client
import urllib.parse

import pytest

from tests.fixtures import embedded
from tests.functional.api import conftest


@pytest.mark.parametrize("tag", ["赤い", "a\r\nX-Injected: yes", "a b?c#d%25"])
def test_the_location_of_a_tag(api: conftest.Api, tag: str) -> None:
    path = f"/v2.1/servers/{api.server()}/tags/{urllib.parse.quote(tag, safe='')}"
    headers = {"OpenStack-API-Version": "compute 2.100"}
    with embedded.serving(api.app) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        connection.request("PUT", path, headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (201, b"")
        location = str(answer.headers["Location"])
        assert location == url + path
        assert "X-Injected" not in answer.headers
        connection.request("GET", urllib.parse.urlsplit(location).path, headers=headers)
        assert connection.getresponse().status == 204
        connection.close()
