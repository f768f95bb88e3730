"""RULES B2, B4: single items. What the API answers is in
``tests/functional/api/test_servers_create.py``."""

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_lite import exceptions
from nova_lite.blockdev import parse

ID = "11111111-1111-4111-8111-111111111111"


def test_no_device_skips_the_rest() -> None:
    """RULES B2-8."""
    (device,) = parse.parse_v2([{"no_device": True, "device_name": "vdb"}], has_image_ref=True)
    assert (device.no_device, device.device_name) == (True, "/dev/vdb")


def test_null_boot_index_is_minus_one() -> None:
    """RULES B2-3."""
    item = {"source_type": "image", "destination_type": "local", "uuid": ID, "boot_index": None}
    with pytest.raises(exceptions.InvalidBlockDevice, match="boot_index to 0"):
        parse.parse_v2([item], has_image_ref=True)


@pytest.mark.parametrize("name", ["swap", "ephemeral0", "ephemeral12"])
def test_v1_virtual_names(name: str) -> None:
    """RULES B4."""
    _, device = parse.parse_v1([{"virtual_name": name, "device_name": "vdb"}], image_id=ID)
    assert (device.source_type, device.destination_type) == ("blank", "local")
    assert device.delete_on_termination
    assert device.is_swap == (name == "swap")


@pytest.mark.parametrize("item", [{}, {"virtual_name": "ephemeral01"}, {"virtual_name": "x"}])
def test_v1_unrecognised(item: dict[str, str]) -> None:
    with pytest.raises(exceptions.InvalidBlockDevice, match="Unrecognized legacy format"):
        parse.parse_v1([item], image_id=ID)


def test_v1_root() -> None:
    by_name = parse.parse_v1([{"volume_id": ID, "device_name": "vda"}], image_id=None)
    assert [device.boot_index for device in by_name] == [0]
    other = parse.parse_v1([{"volume_id": ID, "device_name": "vdb"}], image_id=None)
    assert [device.boot_index for device in other] == [-1]
    nameless = parse.parse_v1([{"snapshot_id": ID}], image_id=None)
    assert [device.boot_index for device in nameless] == [0]
    image = parse.parse_v1([{"volume_id": ID, "device_name": "vdb"}], image_id=ID)
    assert [(d.source_type, d.boot_index) for d in image] == [("image", 0), ("volume", -1)]


_WORDS = st.none() | st.text(max_size=8)
_NUMBERS = st.none() | st.integers() | st.text("0123456789x-", max_size=4)
_ITEM = st.fixed_dictionaries(
    {},
    optional={
        "source_type": st.none() | st.sampled_from(parse.SOURCES),
        "destination_type": st.none() | st.sampled_from(parse.DESTINATIONS),
        "uuid": st.none() | st.just(ID) | st.text(max_size=8),
        "boot_index": _NUMBERS,
        "volume_size": _NUMBERS,
        "device_name": _WORDS,
        "disk_bus": _WORDS,
        "device_type": _WORDS,
        "volume_type": _WORDS,
        "delete_on_termination": st.none() | st.booleans() | st.text(max_size=4),
        "no_device": st.none() | st.booleans() | st.just(""),
    },
)


@given(item=_ITEM, has_image=st.booleans())
def test_an_item_is_parsed_or_refused(item: dict[str, typing.Any], has_image: bool) -> None:
    """B14-1: an item never ends in another error."""
    try:
        (device,) = parse.parse_v2([item], has_image_ref=has_image)
    except exceptions.InvalidBlockDevice:
        return
    assert device.no_device or device.source_type in parse.SOURCES
