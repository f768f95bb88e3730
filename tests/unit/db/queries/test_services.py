import datetime

import pytest
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.queries import services
from tests.fixtures import hosts
from tests.fixtures import statements


def daemon(host: str = "a", binary: str = "nova-compute", **values: object) -> objects.Service:
    return objects.Service(host=host, binary=binary, **values)


def test_the_first_report_creates(database: session.Database) -> None:
    run = hosts.new_uuid()
    with database.api.write() as tx:
        made = services.report(tx, daemon(availability_zone="nova", incarnation=run))
        assert services.get(tx, made.uuid) == made
    assert (made.host, made.binary, made.availability_zone) == ("a", "nova-compute", "nova")
    assert (made.disabled, made.forced_down, made.incarnation) == (False, False, run)
    assert made.last_seen_up.tzinfo is None
    assert made.last_seen_up == made.created_at


def test_later_reports_refresh_and_leave_the_administrators_alone(
    database: session.Database,
) -> None:
    with database.api.write() as tx:
        made = services.report(tx, daemon(incarnation="1"))
        services.update(tx, made.uuid, disabled=True, disabled_reason="x", forced_down=True)
        again = services.report(tx, daemon(incarnation="2", availability_zone="z"))
    assert (again.id, again.uuid, again.created_at) == (made.id, made.uuid, made.created_at)
    assert (again.disabled, again.disabled_reason, again.forced_down) == (True, "x", True)
    assert (again.incarnation, again.availability_zone) == ("2", "z")
    assert again.last_seen_up > made.last_seen_up


def test_a_heartbeat_costs_two_statements(database: session.Database) -> None:
    with database.api.read() as connection:
        services.report(connection, daemon())
        with statements.counted(database.api) as said:
            services.report(connection, daemon())
    assert said == ["UPDATE", "SELECT"]


def test_list_and_get_by_host(database: session.Database) -> None:
    with database.api.write() as tx:
        for host, binary in (("a", "nova-compute"), ("b", "nova-compute"), ("a", "nova-api")):
            services.report(tx, daemon(host, binary))

        def found(**filters: str) -> list[tuple[str, str]]:
            return [(one.host, one.binary) for one in services.list_all(tx, **filters)]

        assert found() == [("a", "nova-compute"), ("b", "nova-compute"), ("a", "nova-api")]
        assert found(host="a") == [("a", "nova-compute"), ("a", "nova-api")]
        assert found(host="a", binary="nova-api") == [("a", "nova-api")]
        assert services.get_by_host(tx, "b", "nova-compute").host == "b"
        assert services.get_by_host(tx, "b", "nova-api") is None


def test_update_changes_only_what_is_said(database: session.Database) -> None:
    with database.api.write() as tx:
        uuid = services.report(tx, daemon()).uuid
        services.update(tx, uuid, disabled=True, disabled_reason="fans")
        downed = services.update(tx, uuid, forced_down=True)
        assert (downed.disabled, downed.disabled_reason, downed.forced_down) == (
            True,
            "fans",
            True,
        )
        assert services.update(tx, uuid, disabled_reason="dust").disabled_reason == "dust"
        enabled = services.update(tx, uuid, disabled=False)
        assert (enabled.disabled, enabled.disabled_reason, enabled.forced_down) == (
            False,
            None,
            True,
        )


def test_unknown_services(database: session.Database) -> None:
    with database.api.write() as tx:
        for call in (services.get, services.update, services.delete):
            with pytest.raises(exceptions.ServiceNotFound, match="Service nobody"):
                call(tx, "nobody")


def test_delete(database: session.Database) -> None:
    with database.api.write() as tx:
        services.delete(tx, services.report(tx, daemon()).uuid)
        assert services.list_all(tx) == []


@pytest.mark.parametrize(
    ("age_s", "forced_down", "expected"),
    [(0, False, True), (60, False, True), (61, False, False), (0, True, False), (-9, False, True)],
)
def test_is_up(age_s: int, forced_down: bool, expected: bool) -> None:
    now = timeutils.utcnow()
    seen = now - datetime.timedelta(seconds=age_s)
    service = daemon(last_seen_up=seen, forced_down=forced_down)
    assert services.is_up(service, now, 60) is expected


def test_a_service_that_never_reported_is_down() -> None:
    assert services.is_up(daemon(), timeutils.utcnow(), 60) is False
