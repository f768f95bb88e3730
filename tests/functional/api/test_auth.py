"""Who may ask: keystone, noauth, and the roles' defaults."""

import collections.abc
import pathlib

import pytest

from nova_lite import exceptions
from nova_lite.api.middleware import auth
from tests.functional.api import conftest

READER = {"X-Roles": "reader", "X-Project-Id": "demo"}
MEMBER = {"X-Roles": "member,reader", "X-Project-Id": "demo"}
KEYSTONE = """
[keystone_authtoken]
www_authenticate_uri = http://127.0.0.1:1/v3
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = nova
password = x
"""
OPERATOR = {"X-Roles": "admin,member,reader", "X-Project-Id": "operators"}
STRANGER = {"X-Roles": "member,reader", "X-Project-Id": "other"}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_noauth_is_refused_on_an_open_address(tmp_path: pathlib.Path, host: str) -> None:
    with pytest.raises(auth.UnsafeNoAuth, match="loopback"):
        conftest.Api(tmp_path, api__bind_host=host)


def test_keystone_asks_for_a_token(tmp_path: pathlib.Path) -> None:
    api = conftest.Api(
        tmp_path, settings=KEYSTONE, api__auth_strategy="keystone", api__bind_host="0.0.0.0"
    )
    result = api.call("GET", "/servers")
    assert result.status_code == 401
    assert result.json["unauthorized"]["code"] == 401
    assert result.headers["WWW-Authenticate"].startswith("Keystone")
    assert "x-openstack-request-id" in result.headers
    for path in ("/", "/v2.1", "/v2.1/"):
        assert api.raw("GET", path).status_code == 200
    api.database.dispose()


def test_keystone_does_not_believe_identity_headers(tmp_path: pathlib.Path) -> None:
    api = conftest.Api(tmp_path, settings=KEYSTONE, api__auth_strategy="keystone")
    forged = {
        "X-Identity-Status": "Confirmed",
        "X-User-Id": "root",
        "X-Roles": "admin",
        "X-Project-Id": "demo",
    }
    assert api.raw("GET", "/v2.1/servers", headers=forged).status_code == 401
    api.database.dispose()


@pytest.fixture(name="confirmed")
def fixture_confirmed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> collections.abc.Iterator[conftest.Api]:
    """Behind a keystonemiddleware that confirms every token."""
    monkeypatch.setattr(auth, "wrap", lambda application, _conf: application)
    api = conftest.Api(tmp_path, settings=KEYSTONE, api__auth_strategy="keystone")
    yield api
    api.database.dispose()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/os-server-groups", 404),
        ("/os-server-groups/5f2a8c1e", 404),
        ("/os-migrations/1", 404),
        ("/os-simple-tenant-usage/demo", 404),
        ("/os-console-auth-tokens/x", 404),
        ("/os-assisted-volume-snapshots/x", 404),
        ("/images/detail", 404),
        ("/os-networks/x/action", 404),
        ("/demo/os-server-groups/x", 404),
        ("/demo/servers", 200),
        ("/demo/servers/detail", 200),
        ("/demo/servers/x", 404),
        ("/p2/servers", 400),
        ("/p2/os-keypairs/x", 400),
    ],
)
def test_what_is_absent_is_no_project(confirmed: conftest.Api, path: str, status: int) -> None:
    """A segment is a project's id if a collection of ours follows it."""
    headers = {**MEMBER, "X-User-Id": "alice", "X-Identity-Status": "Confirmed"}
    result = confirmed.raw("GET", f"/v2.1{path}", headers=headers)
    assert result.status_code == status, result.text
    assert ("project_id" in result.text) == (status == 400)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/servers", READER, 200),
        ("POST", "/servers", READER, 403),
        ("DELETE", "/servers/{server}", READER, 403),
        ("PUT", "/servers/{server}", READER, 403),
        ("POST", "/servers/{server}/os-volume_attachments", READER, 403),
        ("GET", "/servers/{server}/os-volume_attachments", READER, 200),
        ("GET", "/servers/{server}", STRANGER, 404),
        ("DELETE", "/servers/{server}", STRANGER, 404),
        ("POST", "/flavors", MEMBER, 403),
        ("GET", "/flavors", READER, 200),
        ("GET", "/os-services", MEMBER, 403),
        ("GET", "/os-hypervisors", MEMBER, 403),
        ("GET", "/servers?all_tenants=1", MEMBER, 403),
        ("GET", "/os-quota-sets/other", MEMBER, 403),
        ("PUT", "/os-quota-sets/demo", MEMBER, 403),
        ("GET", "/limits?tenant_id=other", MEMBER, 403),
    ],
)
def test_roles(
    api: conftest.Api, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    path = path.format(server=api.server())
    bodies = {
        "POST": {"server": {"name": "x", "flavorRef": "1", "networks": "none"}},
        "PUT": {"server": {"name": "x"}},
    }
    body = bodies.get(method)
    if "os-volume_attachments" in path and method == "POST":
        body = {"volumeAttachment": {"volumeId": api.volume()}}
    result = api.call(method, path, body, headers=headers)
    assert result.status_code == status, result.text


def test_members_do_not_see_hosts(api: conftest.Api) -> None:
    server = api.server()
    seen = api.get(f"/servers/{server}", headers=MEMBER)["server"]
    assert "OS-EXT-SRV-ATTR:host" not in seen
    assert "host_status" not in seen
    assert seen["hostId"] != "host1"


def test_members_do_not_see_whose_hypervisor_is_away(api: conftest.Api) -> None:
    path = f"/servers/{api.server()}/action"
    error = exceptions.HypervisorUnavailable(host="host1", reason="qemu:///system")
    api.compute.get_console_output.side_effect = error
    result = api.call("POST", path, {"os-getConsoleOutput": {}}, headers=MEMBER)
    assert (result.status_code, "HypervisorUnavailable" in result.text) == (503, True)
    assert "host1" not in result.text
    assert "qemu:" not in result.text


@pytest.mark.parametrize("what", ["stop", "image", "attach", "detach"])
def test_members_do_not_see_which_host_is_down(api: conftest.Api, what: str) -> None:
    api.host()
    volume = api.volume()
    image = api.image()
    root = {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": image}
    row = {"source_type": "volume", "destination_type": "volume", "uuid": volume}
    server = api.asked_for(imageRef=image, block_device_mapping_v2=[root, row])
    api.build(server)
    api.silence("host1")
    method, path, body = {
        "stop": ("POST", "action", {"os-stop": None}),
        "image": ("POST", "action", {"createImage": {"name": "i"}}),
        "attach": (
            "POST",
            "os-volume_attachments",
            {"volumeAttachment": {"volumeId": api.volume()}},
        ),
        "detach": ("DELETE", f"os-volume_attachments/{volume}", None),
    }[what]
    result = api.call(method, f"/servers/{server}/{path}", body, headers=MEMBER)
    assert (result.status_code, "is down" in result.text) == (409, True)
    assert "host1" not in result.text


def test_locked_server(api: conftest.Api) -> None:
    server = api.server()
    locked = api.call(
        "POST", f"/servers/{server}/action", {"lock": {"locked_reason": "mine"}}, headers=MEMBER
    )
    assert locked.status_code == 202
    assert api.get(f"/servers/{server}")["server"]["locked_reason"] == "mine"
    assert api.call("DELETE", f"/servers/{server}", headers=MEMBER).status_code == 409
    body = {"metadata": {"a": "b"}}
    changed = api.call("POST", f"/servers/{server}/metadata", body, headers=MEMBER)
    assert changed.status_code == 409
    assert (
        api.call("POST", f"/servers/{server}/action", {"unlock": None}, headers=MEMBER).status_code
        == 202
    )
    assert api.call("DELETE", f"/servers/{server}", headers=MEMBER).status_code == 204


def test_an_owner_cannot_make_an_administrators_lock_their_own(api: conftest.Api) -> None:
    """Nova: who locks their own server once more changes nothing, so that it can only be
    unlocked by whom it was locked by."""
    server = api.server()

    def act(name: str, argument: object, headers: dict[str, str]) -> int:
        path = f"/servers/{server}/action"
        return int(api.call("POST", path, {name: argument}, headers=headers).status_code)

    assert act("lock", {"locked_reason": "inspection"}, OPERATOR) == 202
    assert act("unlock", None, MEMBER) == 403
    assert act("lock", {"locked_reason": "mine"}, MEMBER) == 202
    assert act("unlock", None, MEMBER) == 403
    shown = api.get(f"/servers/{server}")["server"]
    assert (shown["locked"], shown["locked_reason"]) == (True, "inspection")
    assert act("unlock", None, OPERATOR) == 202
    assert act("lock", {"locked_reason": "mine"}, MEMBER) == 202
    assert act("lock", {"locked_reason": "theirs"}, OPERATOR) == 202
    assert act("unlock", None, MEMBER) == 403


def test_create_with_mapping_has_a_rule_of_its_own(tmp_path: pathlib.Path) -> None:
    """S117: image-only create works, with a mapping it is 403."""
    rules = tmp_path / "policy.yaml"
    rules.write_text('"os_compute_api:servers:create:attach_volume": "!"\n')
    api = conftest.Api(tmp_path, settings=f"[oslo_policy]\npolicy_file = {rules}\n")
    api.flavor()
    image = api.image()
    assert api.create(imageRef=image).status_code == 202
    row = {"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0}
    assert api.create(imageRef=image, block_device_mapping_v2=[row]).status_code == 403
