"""Keypairs: import, generate, list, show, delete, and their use by servers."""

import base64
import collections.abc
import subprocess
import typing

import pytest

from tests.functional.api import conftest

# The body of an Ed25519 key is 32 bytes of anything.
_BLOB = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", bytes(32)))
PUBLIC_KEY = f"ssh-ed25519 {base64.b64encode(_BLOB).decode()} somebody@somewhere\n"


def add(
    api: conftest.Api, name: str = "key", *, version: str = conftest.LATEST, **fields: object
) -> typing.Any:
    body = {"keypair": {"name": name, "public_key": PUBLIC_KEY, **fields}}
    return api.call("POST", "/os-keypairs", body, version=version)


def names(answer: typing.Any) -> list[str]:
    return [item["keypair"]["name"] for item in answer["keypairs"]]


def as_user(user: str) -> dict[str, str]:
    return {"X-User-Id": user, "X-Roles": "member,reader", "X-Project-Id": "p"}


def test_import_and_show(api: conftest.Api) -> None:
    """What is imported is shown unchanged: Terraform compares it."""
    created = add(api)
    assert created.status_code == 201
    keypair = created.json["keypair"]
    assert keypair["public_key"] == PUBLIC_KEY
    assert keypair["type"] == "ssh"
    assert "private_key" not in keypair
    shown = api.get("/os-keypairs/key")["keypair"]
    assert {name: shown[name] for name in keypair} == keypair
    assert shown["deleted"] is False
    assert shown["created_at"]
    (listed,) = api.get("/os-keypairs")["keypairs"]
    assert set(listed["keypair"]) == {"name", "public_key", "fingerprint", "type"}


def test_versions_of_the_answers(api: conftest.Api) -> None:
    """2.2 brought the type and other status codes."""
    body = {"keypair": {"name": "old", "public_key": PUBLIC_KEY}}
    old = api.call("POST", "/os-keypairs", body, version="2.1")
    assert old.status_code == 200
    assert "type" not in old.json["keypair"]
    assert "type" not in api.get("/os-keypairs", version="2.1")["keypairs"][0]["keypair"]
    assert api.call("DELETE", "/os-keypairs/old", version="2.1").status_code == 202
    add(api)
    assert api.call("DELETE", "/os-keypairs/key").status_code == 204
    assert api.call("DELETE", "/os-keypairs/key").status_code == 404


def test_generated_key_is_a_pair(api: conftest.Api, tmp_path: typing.Any) -> None:
    """ssh-keygen finds the public key in the private one; nobody keeps that."""
    body = {"keypair": {"name": "new"}}
    keypair = api.call("POST", "/os-keypairs", body, version="2.91").json["keypair"]
    file = tmp_path / "id"
    file.write_text(keypair["private_key"])
    file.chmod(0o600)
    said = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(file)], check=True, capture_output=True, text=True
    ).stdout
    assert said.split()[:2] == keypair["public_key"].split()[:2]
    file.write_text(keypair["public_key"])
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-E", "md5", "-f", str(file)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert f"MD5:{keypair['fingerprint']} " in listed
    assert "private_key" not in api.get("/os-keypairs/new", version="2.91")["keypair"]


def test_from_2_92_on_keys_are_imported_only(api: conftest.Api) -> None:
    refused = api.call("POST", "/os-keypairs", {"keypair": {"name": "new"}})
    assert refused.status_code == 400
    assert "public_key" in refused.json["badRequest"]["message"]


@pytest.mark.parametrize(
    ("name", "version", "status"),
    [
        ("a b-c_9", "2.1", 200),
        ("me@home.org", "2.91", 400),
        ("me@home.org", "2.92", 201),
        ("a/b", "2.92", 400),
        ("clé", "2.92", 400),
        (" a", "2.92", 400),
        ("", "2.92", 400),
        ("a" * 256, "2.92", 400),
    ],
)
def test_names(api: conftest.Api, name: str, version: str, status: int) -> None:
    assert add(api, name, version=version).status_code == status


@pytest.mark.parametrize(
    "public_key",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 ????",
        f"ssh-rsa {PUBLIC_KEY.split()[1]}",
        f"ssh-new {PUBLIC_KEY.split()[1]}",
        f"ssh-ed25519 {base64.b64encode(_BLOB[:-1]).decode()}",
        f"ssh-ed25519 {base64.b64encode(_BLOB + b'xxxx').decode()}",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc",
    ],
)
def test_what_is_no_public_key(api: conftest.Api, public_key: str) -> None:
    result = add(api, public_key=public_key)
    assert result.status_code == 400
    assert "Keypair data is invalid" in result.json["badRequest"]["message"]
    assert api.get("/os-keypairs")["keypairs"] == []


def test_certificates_are_refused_in_words(api: conftest.Api) -> None:
    result = add(api, type="x509")
    assert result.status_code == 400
    assert "x509 is not supported; use ssh" in result.json["badRequest"]["message"]


def test_a_name_is_taken_once_a_user(api: conftest.Api) -> None:
    assert add(api).status_code == 201
    assert add(api).status_code == 409
    assert add(api, user_id="other").status_code == 201


def test_pages(api: conftest.Api) -> None:
    """2.35: by name, with a link to the next page."""
    for name in ("b", "c", "a"):
        add(api, name)
    first = api.get("/os-keypairs?limit=2")
    assert names(first) == ["a", "b"]
    (link,) = first["keypairs_links"]
    assert link["rel"] == "next"
    assert "marker=b" in link["href"]
    last = api.get("/os-keypairs?limit=2&marker=b")
    assert names(last) == ["c"]
    assert "keypairs_links" not in last
    assert names(api.get("/os-keypairs?limit=2", version="2.34")) == ["a", "b", "c"]
    assert api.call("GET", "/os-keypairs?marker=nothing").status_code == 400


def test_keypairs_of_other_users_are_for_administrators(api: conftest.Api) -> None:
    """2.10."""
    add(api, user_id="alice")
    assert names(api.get("/os-keypairs")) == []
    assert names(api.get("/os-keypairs?user_id=alice")) == ["key"]
    assert names(api.get("/os-keypairs?user_id=alice", version="2.9")) == []
    assert api.call("GET", "/os-keypairs/key", headers=as_user("alice")).status_code == 200
    for method, path in (
        ("GET", "/os-keypairs?user_id=alice"),
        ("GET", "/os-keypairs/key?user_id=alice"),
        ("DELETE", "/os-keypairs/key?user_id=alice"),
    ):
        assert api.call(method, path, headers=as_user("bob")).status_code == 403
    body = {"keypair": {"name": "b", "public_key": PUBLIC_KEY, "user_id": "alice"}}
    assert api.call("POST", "/os-keypairs", body, headers=as_user("bob")).status_code == 403
    assert api.call("DELETE", "/os-keypairs/key?user_id=alice").status_code == 204


def test_quota(make_api: collections.abc.Callable[..., conftest.Api]) -> None:
    api = make_api(quota__key_pairs=1)
    assert add(api).status_code == 201
    refused = add(api, "second")
    assert refused.status_code == 403
    assert "too many key pairs" in refused.json["forbidden"]["message"]
    assert api.get("/limits")["limits"]["absolute"]["maxTotalKeypairs"] == 1
    project = "admin"
    assert api.get(f"/os-quota-sets/{project}")["quota_set"]["key_pairs"] == 1


def test_a_server_keeps_a_copy_of_its_key(api: conftest.Api) -> None:
    add(api)
    server_id = api.asked_for(key_name="key")
    assert api.call("DELETE", "/os-keypairs/key").status_code == 204
    assert api.get(f"/servers/{server_id}")["server"]["key_name"] == "key"
    wishes = api.conductor.schedule_and_build_instances.call_args.args[1]
    assert wishes[0].instance.key_data == PUBLIC_KEY


def test_a_server_with_an_unknown_key_is_refused(api: conftest.Api) -> None:
    add(api, user_id="other")
    result = api.create(imageRef=api.image(), key_name="key")
    assert result.status_code == 400
    assert result.json["badRequest"]["message"] == "Invalid key_name provided."
    api.conductor.schedule_and_build_instances.assert_not_called()
