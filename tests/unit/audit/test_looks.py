"""What an audit of one server or host reports: also that it could not be made."""

import dataclasses
import typing
from unittest import mock

import pytest

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.audit import collect
from nova_lite.audit import facts
from nova_lite.audit import looks
from tests.unit.audit import test_kinds

SERVER, STRANGER = test_kinds.SERVER, test_kinds.STRANGER
BLIND = {"volumes": None, "attachments": None}


def audit(seen: facts.Facts, **scope: str) -> looks.Result:
    collector = mock.create_autospec(collect.Collector, instance=True)
    collector.look.return_value = seen
    return looks.audit(collector, pause_s=0, **scope)


def found_in(seen: facts.Facts, **scope: str) -> list[str]:
    return [each.kind for each in audit(seen, **scope).findings]


def with_server(seen: facts.Facts, **fields: typing.Any) -> facts.Facts:
    servers = {SERVER: test_kinds.server(**fields)}
    return dataclasses.replace(seen, cell=dataclasses.replace(seen.cell, servers=servers))


@pytest.mark.parametrize("scope", [{}, {"server": SERVER}, {"host": "a"}, {"host": "b"}])
def test_a_silent_cinder_concerns_everybody(scope: dict[str, str]) -> None:
    seen = test_kinds.world(hosts={"a": test_kinds.host(), "b": silent_part("b")}, **BLIND)
    assert "cinder-silent" in found_in(seen, **scope)
    assert not audit(seen, **scope).is_clean


def silent_part(name: str) -> objects.HostInventory:
    return objects.HostInventory(host=name, unknown={"guests": "no"})


@pytest.mark.parametrize("is_silent", [True, False])
def test_a_host_that_was_not_looked_at_concerns_its_servers(is_silent: bool) -> None:
    kind = "host-silent" if is_silent else "host-unreadable"
    away = {"a": None if is_silent else silent_part("a"), "b": test_kinds.host("b", guests=[])}
    seen = test_kinds.world(hosts=away)
    assert found_in(seen, server=SERVER) == [kind]
    assert found_in(seen, host="a") == [kind]
    assert found_in(seen, host="b") == []
    assert found_in(seen, host="a", server=SERVER) == [kind]
    elsewhere = with_server(seen, host="b")
    assert kind not in found_in(elsewhere, server=SERVER)


def test_what_is_on_no_host_may_be_on_any() -> None:
    """A guest of a deleted server, say."""
    seen = test_kinds.world(hosts={"a": test_kinds.host(), "b": None})
    assert found_in(seen, server=SERVER) == []
    assert found_in(seen, server=test_kinds.GONE) == ["host-silent"]
    assert "host-silent" in found_in(with_server(seen, host=None), server=SERVER)


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ({"server": STRANGER}, f"there is no server {STRANGER}"),
        ({"host": "typo"}, "there is no compute host typo"),
        ({"host": "typo", "server": SERVER}, "there is no compute host typo"),
    ],
)
def test_a_scope_of_nothing_is_refused(scope: dict[str, str], says: str) -> None:
    result = audit(test_kinds.world(**BLIND), **scope)
    with pytest.raises(exceptions.InvalidInput, match=says):
        looks.check_scope(result, **scope)


@pytest.mark.parametrize(
    "scope", [{}, {"server": SERVER}, {"server": test_kinds.GONE}, {"host": "a"}]
)
def test_what_there_is_can_be_the_scope(scope: dict[str, str]) -> None:
    looks.check_scope(audit(test_kinds.world(), **scope), **scope)


def test_what_only_a_host_knows_can_be_the_scope() -> None:
    guest = objects.InventoryGuest(
        instance_uuid=STRANGER, name="g", power_state=1, live=[], defined=[]
    )
    host = test_kinds.host(guests=[guest, *test_kinds.host().guests])
    seen = test_kinds.world(hosts={"a": host})
    result = audit(seen, server=STRANGER)
    assert result.findings
    looks.check_scope(result, server=STRANGER)
    looks.check_scope(audit(with_server(seen, host="gone"), host="gone"), host="gone")
