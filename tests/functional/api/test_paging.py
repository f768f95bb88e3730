"""Links to the next page: followed, they lead through everything once."""

import urllib.parse

import pytest

from tests.functional.api import conftest


def _follow(api: conftest.Api, path: str, key: str) -> list[list[str]]:
    """The ids of every page, by the links alone."""
    pages = []
    while True:
        body = api.get(path)
        pages.append([str(one["id"]) for one in body[key]])
        links = body.get(f"{key}_links")
        if not links:
            return pages
        href = urllib.parse.urlsplit(links[0]["href"])
        assert href.path.startswith("/v2.1/")
        path = f"{href.path.removeprefix('/v2.1')}?{href.query}"


@pytest.mark.parametrize(
    ("query", "sizes"),
    [("limit=2", [2, 2, 1]), ("limit=5", [5, 0]), ("limit=6", [5]), ("", [5])],
)
def test_flavors(api: conftest.Api, query: str, sizes: list[int]) -> None:
    for number in range(2, 6):
        api.flavor(str(number))
    for path in ("/flavors", "/flavors/detail"):
        pages = _follow(api, f"{path}?{query}", "flavors")
        assert [len(page) for page in pages] == sizes
        assert sum(pages, []) == ["1", "2", "3", "4", "5"]


def test_the_link_keeps_the_query(api: conftest.Api) -> None:
    """Filters and order, each parameter once."""
    ids = {api.server(availability_zone="nova") for _ in range(3)}
    query = "limit=1&sort_key=display_name&sort_dir=asc&name=v&status=ACTIVE"
    pages = _follow(api, f"/servers/detail?{query}", "servers")
    assert [len(page) for page in pages] == [1, 1, 1, 0]
    assert {one for page in pages for one in page} == ids
    link = api.get(f"/servers?{query}")["servers_links"][0]["href"]
    found = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(
        ("limit", "sort_key", "sort_dir", "name", "status", "marker"), 1
    )


def test_an_operators_limit_is_the_greatest(make_api: type[conftest.Api]) -> None:
    api = make_api(api__max_limit=2)
    for number in range(2, 4):
        api.flavor(str(number))
    assert [len(p) for p in _follow(api, "/flavors?limit=1000", "flavors")] == [2, 1]


@pytest.mark.parametrize("path", ["/servers", "/servers/detail", "/flavors"])
def test_an_unknown_marker(api: conftest.Api, path: str) -> None:
    result = api.call("GET", f"{path}?marker={conftest.new_uuid()}")
    assert (result.status_code, "marker" in result.text.lower()) == (400, True)


def test_the_marker_of_a_stranger_is_unknown(api: conftest.Api) -> None:
    """No oracle: the same words as for a server that nobody has."""
    server_id, nobodys = api.server(), conftest.new_uuid()
    stranger = {"X-Project-Id": "other", "X-Roles": "member,reader"}
    texts = set()
    for marker in (server_id, nobodys):
        result = api.call("GET", f"/servers?marker={marker}", headers=stranger)
        assert result.status_code == 400
        texts.add(result.text.replace(marker, "…"))
    assert len(texts) == 1
