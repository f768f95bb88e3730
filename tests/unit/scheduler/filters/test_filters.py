"""Each rule by itself."""

import datetime
import importlib
import typing

import pytest
from oslo_utils import timeutils

from nova_lite import conf as configuration
from nova_lite import objects
from nova_lite.scheduler import filters
from nova_lite.scheduler import host_state
from nova_lite.scheduler.allocations import Resources
from tests.fixtures import hosts

CONF = configuration.new(files=[])


def state(**values: typing.Any) -> host_state.HostState:
    defaults: dict[str, typing.Any] = {
        "host": "a",
        "node": "a.example.org",
        "node_uuid": hosts.new_uuid(),
        "hypervisor_type": "QEMU",
        "architecture": "x86_64",
        "free": Resources(10, 10240, 100),
        "has_service": True,
        "disabled": False,
        "disabled_reason": None,
        "forced_down": False,
        "last_seen_up": timeutils.utcnow(),
        "availability_zone": "nova",
    }
    return host_state.HostState(**defaults | values)


def refusal(rule: str, host: host_state.HostState, **spec: typing.Any) -> str | None:
    module = importlib.import_module(f"nova_lite.scheduler.filters.{rule}")
    refused = module.Filter(CONF).refuse(host, hosts.spec(**spec))
    return None if refused is None else str(refused)


def with_properties(**properties: str) -> objects.ImageMeta:
    return objects.ImageMeta(properties=properties)


@pytest.mark.parametrize("rule", filters.FILTERS)
def test_an_ordinary_host_passes_an_ordinary_request(rule: str) -> None:
    assert refusal(rule, state()) is None


def test_all_known_filters_are_enabled_by_default() -> None:
    assert tuple(CONF.scheduler.enabled_filters) == filters.FILTERS
    assert tuple(filters.load(CONF)) == filters.FILTERS


def ago(seconds: float) -> datetime.datetime:
    return timeutils.utcnow() - datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"has_service": False}, "down: no compute service ever reported from here"),
        ({"disabled": True, "disabled_reason": "new fans"}, "disabled: new fans"),
        ({"disabled": True}, "disabled: no reason given"),
        ({"forced_down": True}, "down: forced down by an administrator"),
        ({"last_seen_up": None}, "down: last seen never UTC"),
        ({"last_seen_up": datetime.datetime(2026, 1, 2)}, "down: last seen 2026-01-02 00:00:00"),
    ],
)
def test_service_refuses(values: dict[str, typing.Any], expected: str) -> None:
    assert (refusal("service", state(**values)) or "").startswith(expected)


@pytest.mark.parametrize(("age_s", "up"), [(0, True), (55, True), (65, False), (-3600, True)])
def test_service_counts_seconds_of_silence(age_s: float, up: bool) -> None:
    assert (refusal("service", state(last_seen_up=ago(age_s))) is None) == up


def test_availability_zone() -> None:
    assert refusal("availability_zone", state(), availability_zone="nova") is None
    assert refusal("availability_zone", state(), availability_zone="b") == (
        "another zone: in nova, b was asked for"
    )
    assert refusal("availability_zone", state(availability_zone=None), availability_zone="b") == (
        "another zone: in none, b was asked for"
    )


def test_retry() -> None:
    assert refusal("retry", state(), ignore_hosts=["b"]) is None
    assert refusal("retry", state(), ignore_hosts=["b", "a"]) == "tried before"


def test_forced_host() -> None:
    assert refusal("forced_host", state(), force_host="a") is None
    assert refusal("forced_host", state(), force_host="a", force_node="a.example.org") is None
    assert refusal("forced_host", state(), force_host="b") == "another host: b was asked for"
    assert refusal("forced_host", state(), force_node="b.example.org") == (
        "another host: node b.example.org was asked for"
    )


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (Resources(1, 1024, 10), None),
        (Resources(0, 1024, 10), "vcpus: 1 vCPUs wanted, 0 free"),
        (Resources(1, 1023, 10), "memory: 1024 MiB wanted, 1023 free"),
        (Resources(1, 1024, -5), "disk: 10 GiB wanted, -5 free"),
        (
            Resources(0, 0, 10),
            "vcpus and memory: 1 vCPUs wanted, 0 free, 1024 MiB wanted, 0 free",
        ),
    ],
)
def test_resources(free: Resources, expected: str | None) -> None:
    assert refusal("resources", state(free=free)) == expected


def test_a_server_without_local_disk_fits_a_host_without_any() -> None:
    """S156: storage elsewhere does not limit the choice."""
    assert refusal("resources", state(free=Resources(1, 1024, -1)), disk_gib=0) is None


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"architecture": "x86_64"}, None),
        ({"architecture": "AMD64"}, None),
        ({"hw_architecture": "i686"}, None),
        ({"hw_architecture": "aarch64"}, "architecture: x86_64, the image needs aarch64"),
        ({"img_hv_type": "kvm"}, None),
        ({"img_hv_type": "qemu"}, None),
        ({"img_hv_type": "xen"}, "hypervisor type: QEMU, the image needs xen"),
        ({"hw_vm_mode": "hvm"}, None),
        ({"vm_mode": "xen"}, "vm mode: runs hvm, the image needs xen"),
        ({"hw_disk_bus": "scsi"}, None),
    ],
)
def test_image_properties(properties: dict[str, str], expected: str | None) -> None:
    assert refusal("image_properties", state(), image=with_properties(**properties)) == expected


def test_image_properties_of_a_host_that_does_not_say() -> None:
    """A 64-bit host only runs what it can; an unknown one is not refused."""
    image = with_properties(architecture="aarch64", vm_mode="exe")
    host = state(architecture=None, hypervisor_type="fake")
    assert refusal("image_properties", host, image=image) is None
    small = state(architecture="i686")
    assert refusal("image_properties", small, image=with_properties(architecture="x86_64")) == (
        "architecture: i686, the image needs x86_64"
    )
