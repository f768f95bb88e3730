"""Answers as they pass over a socket: what is in a header stays in it."""

import http.client
import json
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


@pytest.mark.parametrize("project", ["赤い", "a\r\nX-Injected: yes"])
def test_a_project_in_the_path_stays_one_segment(api: conftest.Api, project: str) -> None:
    """With noauth any text may be one."""
    prefix = f"/v2.1/{urllib.parse.quote(project, safe='')}/servers"
    body = {"name": "a", "flavorRef": "1", "networks": "none", "imageRef": api.image()}
    headers = {"OpenStack-API-Version": "compute 2.100", "Content-Type": "application/json"}
    with embedded.serving(api.app) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        connection.request("POST", prefix, json.dumps({"server": body}), headers)
        answer = connection.getresponse()
        server_id = json.load(answer)["server"]["id"]
        assert answer.headers["Location"] == f"{url}{prefix}/{server_id}"
        connection.close()
