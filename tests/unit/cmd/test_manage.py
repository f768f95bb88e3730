import collections.abc
import datetime
import json
import pathlib
import subprocess
import sys

import pytest
import sqlalchemy as sa

from nova_lite.cmd import manage
from nova_lite.db import migrations
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import instances
from nova_lite.scheduler.allocations import local
from nova_lite.scheduler.allocations import Resources
from tests.fixtures import databases
from tests.fixtures import hosts
from tests.fixtures import servers

Run = collections.abc.Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with databases below tmp_path: status, output, errors."""
    file = tmp_path / "nova_lite.conf"
    file.write_text(f"[DEFAULT]\nstate_path = {tmp_path}/state\n")

    def run(*words: str) -> tuple[int, str, str]:
        status = manage.main(["--config-file", str(file), *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def database(run: Run, tmp_path: pathlib.Path) -> collections.abc.Iterator[session.Database]:
    assert run("db", "sync")[0] == 0
    state = tmp_path / "state"
    database = databases.database_at(
        f"sqlite:///{state}/api.sqlite", f"sqlite:///{state}/cell.sqlite"
    )
    yield database
    database.dispose()


def test_sync_makes_the_databases_and_a_cell(run: Run) -> None:
    head = migrations.head("api")
    assert run("db", "sync") == (
        0,
        f"api: {head} (upgraded from nothing)\ncell: {head} (upgraded from nothing)\n",
        "",
    )
    assert run("db", "sync")[1] == f"api: {head} (is up to date)\ncell: {head} (is up to date)\n"
    status, out, _ = run("cell", "list")
    assert (status, out.splitlines()[1].split()[0]) == (0, "cell1")


def test_version(run: Run) -> None:
    status, out, _ = run("db", "version")
    assert (status, out.count("no tables yet")) == (0, 2)
    assert "nova-lite-manage db sync" in out
    run("db", "sync")
    assert "sync" not in run("db", "version")[1]


@pytest.mark.parametrize(
    "words",
    [
        ("cell", "list"),
        ("host", "list"),
        ("service", "list"),
        ("allocations", "audit"),
        ("db", "purge", "--before", "2026-01-01"),
    ],
)
def test_without_tables_it_says_what_to_do(run: Run, words: tuple[str, ...]) -> None:
    status, _, err = run(*words)
    assert status == 1
    assert "the api database has no tables" in err
    assert "run 'nova-lite-manage db sync'" in err
    assert "nova_lite.conf" in err


def test_lists(run: Run, database: session.Database) -> None:
    node = hosts.add_host(database, "a", availability_zone="zone-1")
    assert local.LocalLedger(database).claim(hosts.new_uuid(), node.uuid, Resources(1, 1024, 10))
    heads, line = run("host", "list")[1].splitlines()
    assert heads.startswith("HOST  CELL")
    assert line.split() == ["a", "cell1", "1", "1/10", "1024/10240", "10/100"]
    line = run("service", "list")[1].splitlines()[1]
    assert line.split()[:5] == ["nova-compute", "a", "zone-1", "enabled", "up"]


def test_audit(run: Run, database: session.Database) -> None:
    assert run("allocations", "audit") == (0, "Nothing is wrong.\n", "")
    node = hosts.add_host(database, "a")
    consumer = hosts.new_uuid()
    assert local.LocalLedger(database).claim(consumer, node.uuid, Resources(1, 1024, 10))
    with database.api.write() as tx:
        tx.execute(sa.update(api.compute_nodes).values(vcpus_used=7))
    status, out, _ = run("allocations", "audit")
    assert status == 1
    assert f"{consumer} holds a share of node {node.uuid}: no such server" in out
    assert "a: vcpus counts 7 as used, allocations add up to 1" in out
    status, out, _ = run("allocations", "audit", "--repair")
    assert (status, out.splitlines()[-1]) == (0, "2 findings; all repaired.")
    assert run("allocations", "audit")[0] == 0


def test_purge_goes_on_to_the_end(
    run: Run, database: session.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = datetime.datetime(2025, 1, 1)
    for _ in range(5):
        servers.add_server(database, deleted=True, terminated_at=long_ago)
    monkeypatch.setattr(manage, "_PURGE_BATCH", 2)
    assert "Removed 5 deleted servers" in run("db", "purge", "--before", "2026-01-01")[1]
    assert "Removed 0 deleted servers" in run("db", "purge", "--before", "2026-01-01")[1]


def test_purge_keeps_servers_for_the_hosts_that_do_not_know(
    run: Run, database: session.Database
) -> None:
    """A host that died and comes back removes its guest only if it is told that the
    server was deleted."""
    at = datetime.datetime(2025, 1, 1)
    second, sweep = datetime.timedelta(seconds=1), datetime.timedelta(seconds=60)
    hosts.add_host(database, "back")
    hosts.add_host(database, "away")
    with database.api.write() as tx:
        tx.execute(
            sa.update(api.services)
            .where(api.services.c.host == "away")
            .values(last_seen_up=at + sweep)
        )
    kept = servers.add_server(database, deleted=True, terminated_at=at, host="away")
    for host, terminated_at in (
        ("back", at),
        ("away", at - second),
        ("no service any more", at),
        (None, at),
    ):
        servers.add_server(database, deleted=True, terminated_at=terminated_at, host=host)

    out = run("db", "purge", "--before", "2026-01-01")[1]
    assert "Removed 4 deleted servers" in out
    assert "Kept 1 that away has not been up to clean up" in out
    with database.cell.read() as tx:
        assert instances.which_are_deleted(tx, {kept}) == {kept}

    hosts.add_host(database, "away")
    out = run("db", "purge", "--before", "2026-01-01")[1]
    assert "Removed 1 deleted servers" in out
    assert "Kept" not in out


def test_purge_needs_a_day_that_is_over(run: Run, database: session.Database) -> None:
    assert "--before is in the future" in run("db", "purge", "--before", "2999-01-01")[2]
    with pytest.raises(SystemExit):
        run("db", "purge", "--before", "yesterday")


def test_a_newer_database(run: Run, database: session.Database) -> None:
    with database.cell.write() as tx:
        tx.execute(sa.text("UPDATE nova_lite_cell_version SET version_num = '9999'"))
    status, _, err = run("db", "sync")
    assert status == 1
    assert "install the newer release again" in err


@pytest.mark.parametrize("words", [("db", "sync"), ("db", "version"), ("host", "list")])
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql+pymysql://user:secret@127.0.0.1:1/x", "the database does not answer"),
        ("nonsense", "cannot be understood"),
        ("cobol://x", "cannot be understood"),
        ("mysql+pymysql://nova:secret", "connection in section [database] cannot be understood"),
        ("mysql+pymysql://nova:secret/x", "cannot be understood"),
        ("mysql+pymysql://nova:a@secret@127.0.0.1:1/x", "cannot be understood"),
    ],
)
def test_databases_that_are_not_there(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    url: str,
    expected: str,
    words: tuple[str, ...],
) -> None:
    file = tmp_path / "x.conf"
    file.write_text(f"[database]\nconnection = {url}\napi_connection = {url}\n")
    assert manage.main(["--config-file", str(file), *words]) == 1
    err = capsys.readouterr().err
    assert expected in err
    assert str(file) in err
    assert "secret" not in err


def test_a_configuration_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert manage.main(["--config-file", "/nowhere/x.conf", "db", "version"]) == 1
    assert "/nowhere/x.conf" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [(), ("db",), ("db", "purge"), ("allocations", "audit"), ("service", "list")]
)
def test_help_everywhere(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        manage.main([*words, "--help"])
    assert caught.value.code == 0
    assert "usage: nova-lite-manage" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from nova_lite.cmd import manage\n"
        "try: manage.main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'sqlalchemy', 'oslo_config', 'alembic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_database_at_its_head_does_not_load_alembic(run: Run, tmp_path: pathlib.Path) -> None:
    run("db", "sync")
    code = (
        "import sys; from nova_lite.cmd import manage\n"
        f"assert manage.main(['--config-file', '{tmp_path}/nova_lite.conf', 'db', 'sync']) == 0\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_audit_lists_its_kinds_without_a_database(run: Run) -> None:
    status, out, _ = run("audit", "--list-kinds")
    assert status == 0
    assert "guest-twice" in out
    assert "--repair gives it back" in out


def test_audit_refuses_a_repair_that_there_is_not(run: Run, database: session.Database) -> None:
    status, _, error = run("audit", "--repair", "guest-twice")
    assert status == 1
    assert "there is no repair of guest-twice; choose among all-safe, " in error


def test_audit_needs_the_databases(run: Run) -> None:
    status, _, error = run("audit")
    assert status == 1
    assert "nova-lite-manage db sync" in error


def test_audit_says_what_is_silent(
    run: Run, database: session.Database, tmp_path: pathlib.Path
) -> None:
    """Cinder is nowhere; there is no host to be asked."""
    with (tmp_path / "nova_lite.conf").open("a") as file:
        file.write("[cinder]\nauth_type = none\nendpoint_url = http://127.0.0.1:9/v3\n")
        file.write("[audit]\npause_s = 0\n")
    status, out, _ = run("audit")
    assert status == 3
    assert out.startswith("1 finding. Looked at 0 servers, no volumes (Cinder is silent), 0 of 0")
    assert "cinder-silent" in out
    status, out, _ = run("audit", "--json")
    assert json.loads(out)["counts"] == {"cinder-silent": 1}
    # Nor is what is narrowed said to be well, and less so what does not exist.
    hosts.add_host(database, "a")
    with database.api.write() as tx:
        tx.execute(sa.update(api.services).values(forced_down=True))
    status, out, _ = run("audit", "--host", "a")
    assert (status, "cinder-silent" in out, "host-silent" in out) == (3, True, True)
    for scope, name in (("--host", "typo"), ("--server", hosts.new_uuid())):
        status, out, error = run("audit", scope, name)
        assert (status, out, name in error) == (1, "", True)


def test_trace_of_no_server(run: Run, database: session.Database) -> None:
    status, _, error = run("storage", "trace", "11111111-2222-4333-8444-555555555555")
    assert status == 1
    assert "could not be found" in error
