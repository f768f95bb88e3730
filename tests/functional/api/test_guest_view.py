"""What a create request says about the guest, as far as the API carries it."""

import collections.abc
import typing

import pytest
import sqlalchemy as sa

from nova_lite.db.models import api as api_models
from tests.functional.api import conftest


def sent(api: conftest.Api) -> typing.Any:
    """The password that went to the conductor."""
    return api.conductor.schedule_and_build_instances.call_args.kwargs["admin_password"]


def test_the_password_shown_is_the_one_sent(api: conftest.Api) -> None:
    """S136: chosen by the user, or generated."""
    result = api.create(imageRef=api.image(), adminPass="canary-1")
    assert result.json["server"]["adminPass"] == sent(api) == "canary-1"
    result = api.create(imageRef=api.image())
    assert result.json["server"]["adminPass"] == sent(api)
    assert len(sent(api)) == 12


def test_the_password_is_not_recorded(api: conftest.Api) -> None:
    api.create(imageRef=api.image(), adminPass="canary-1")
    with api.database.api.read() as tx:
        for table in api_models.metadata.sorted_tables:
            for row in tx.execute(sa.select(table)):
                assert "canary-1" not in str(row)


def test_a_cloud_that_shows_no_passwords_still_sends_them(
    make_api: collections.abc.Callable[..., conftest.Api],
) -> None:
    api = make_api(api__enable_instance_password=False)
    result = api.create(imageRef=api.image())
    assert "adminPass" not in result.json["server"]
    assert sent(api)


@pytest.mark.parametrize(
    ("asked", "shown"), [(True, "True"), ("true", "True"), (False, ""), (None, "")]
)
def test_config_drive_is_shown_as_nova_does(api: conftest.Api, asked: object, shown: str) -> None:
    server_id = api.asked_for(config_drive=asked)
    assert api.get(f"/servers/{server_id}")["server"]["config_drive"] == shown


def test_injected_files_are_refused_in_words(api: conftest.Api) -> None:
    """They would be lost when a build is taken up from the database."""
    files = [{"path": "/etc/motd", "contents": "aGVsbG8="}]
    result = api.create("2.1", imageRef=api.image(), personality=files)
    assert result.status_code == 400
    assert "use user_data" in result.json["badRequest"]["message"]


@pytest.mark.parametrize(
    ("version", "status"), [("2.31", 400), ("2.32", 202), ("2.33", 400), ("2.42", 202)]
)
def test_device_tags_by_version(api: conftest.Api, version: str, status: int) -> None:
    """S118: 2.32, and from 2.42 on; RULES B2."""
    device = {
        "source_type": "image",
        "destination_type": "local",
        "uuid": api.image(),
        "boot_index": 0,
        "tag": "root",
    }
    fields = {"imageRef": device["uuid"], "block_device_mapping_v2": [device]}
    body = {"server": {"name": "vm", "flavorRef": "1", **fields}}
    if version == "2.42":
        body["server"]["networks"] = "none"
    result = api.call("POST", "/servers", body, version=version)
    assert result.status_code == status, result.text
