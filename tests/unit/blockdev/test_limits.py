"""RULES B3: the set of a server's devices."""

import pytest

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.blockdev import limits
from nova_lite.blockdev import parse

FLAVOR = objects.Flavor(
    flavorid="1", name="f", memory_mib=512, vcpus=1, root_gib=1, ephemeral_gib=20, swap_mib=512
)
IMAGE = "11111111-1111-4111-8111-111111111111"


def root() -> objects.BlockDeviceMapping:
    return parse.root_of_image(IMAGE)


def blank(size: int | None, *, swap: bool = False, local: bool = True) -> dict[str, object]:
    item: dict[str, object] = {
        "source_type": "blank",
        "destination_type": "local" if local else "volume",
        "volume_size": size,
    }
    return item | ({"guest_format": "swap"} if swap else {})


def check(*items: dict[str, object], maximum: int = -1) -> parse.Devices:
    devices = [root(), *parse.parse_v2(items, has_image_ref=True)]
    limits.check(devices, FLAVOR, max_local_devices=maximum)
    return devices


@pytest.mark.parametrize(
    ("sizes", "allowed"),
    [([20], True), ([21], False), ([10, 10], True), ([10, 11], False), ([None, 1], False)],
)
def test_ephemerals(sizes: list[int | None], allowed: bool) -> None:
    """S79, RULES B3-8."""
    items = [blank(size) for size in sizes]
    if allowed:
        check(*items)
        return
    with pytest.raises(exceptions.InvalidBlockDevice, match="Ephemeral"):
        check(*items)


def test_volumes_do_not_count_as_ephemeral() -> None:
    """S77."""
    check(blank(100, local=False))


def test_swap() -> None:
    """RULES B3-9."""
    check(blank(512, swap=True))
    assert check(blank(None, swap=True))[-1].volume_size == 512
    with pytest.raises(exceptions.InvalidBlockDevice, match="larger"):
        check(blank(513, swap=True))
    with pytest.raises(exceptions.InvalidBlockDevice, match="More than one"):
        check(blank(1, swap=True), blank(1, swap=True))


def test_local_devices() -> None:
    """RULES B3-10, S98."""
    items = [blank(10), blank(512, swap=True)]
    check(*items, maximum=3)
    with pytest.raises(exceptions.InvalidBlockDevice, match="3"):
        check(*items, blank(10), maximum=3)
    with pytest.raises(exceptions.InvalidBlockDevice, match="0"):
        check(maximum=0)


@pytest.mark.parametrize("indices", [[], [1], [0, 0], [0, 2], [-1]])
def test_boot_sequence(indices: list[int]) -> None:
    """S71, RULES B3-1."""
    devices = [root() for _ in indices]
    for device, index in zip(devices, indices, strict=True):
        device.boot_index = index
    with pytest.raises(exceptions.InvalidBlockDevice, match="Boot sequence"):
        limits.check(devices, FLAVOR, max_local_devices=-1)


def test_flavor_defines_what_the_request_does_not() -> None:
    """S80, S84."""
    devices = [root()]
    parse.add_flavor_defined(devices, FLAVOR)
    assert [(d.volume_size, d.guest_format) for d in devices[1:]] == [(20, None), (512, "swap")]
    asked = [root(), *parse.parse_v2([blank(5)], has_image_ref=True)]
    parse.add_flavor_defined(asked, FLAVOR)
    assert [d.volume_size for d in asked[1:]] == [5, 512]


def test_names_and_volumes_are_unique() -> None:
    with pytest.raises(exceptions.InvalidBlockDevice, match="/dev/vdb"):
        check(blank(1) | {"device_name": "vdb"}, blank(1) | {"device_name": "/dev/vdb"})


def test_disk_of_the_host() -> None:
    """S156."""
    devices = [root()]
    assert limits.local_disk_gib(devices, FLAVOR) == 1 + 20 + 1
    devices[0].destination_type = "volume"
    assert limits.local_disk_gib(devices, FLAVOR) == 20 + 1
