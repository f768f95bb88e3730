"""Transactions, connections and what they cost, on real servers."""

import collections.abc
import concurrent.futures
import pathlib
import random
import threading
import traceback

import pymysql
import pytest
import sqlalchemy as sa

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.models import api
from tests.fixtures import databases

QUOTAS = api.quotas


@pytest.fixture(params=["mysql", "postgresql"])
def server_database(request: pytest.FixtureRequest) -> collections.abc.Iterator[session.Database]:
    with databases.fresh_url(request.param) as url:
        database = databases.database_at(url)
        databases.create_tables(database)
        yield database
        database.dispose()


def add(tx: session.Connection, resource: str) -> None:
    tx.execute(sa.insert(QUOTAS).values(project_id="p", resource=resource, hard_limit=0))


def limits(database: session.Database) -> dict[str, int]:
    with database.api.read() as connection:
        rows = connection.execute(sa.select(QUOTAS.c.resource, QUOTAS.c.hard_limit))
        return {row.resource: row.hard_limit for row in rows}


def test_a_deadlock_is_not_the_callers_problem(server_database: session.Database) -> None:
    for resource in "ab":
        server_database.api.transact(add, resource)
    together = threading.Barrier(2)
    runs: list[str] = []

    def bump(tx: session.Connection, first: str, second: str) -> None:
        runs.append(first)
        for resource in (first, second):
            tx.execute(
                sa.update(QUOTAS)
                .where(QUOTAS.c.resource == resource)
                .values(hard_limit=QUOTAS.c.hard_limit + 1)
            )
            if len(runs) <= 2 and resource == first:
                together.wait(30)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for future in [
            pool.submit(server_database.api.transact, bump, *order) for order in ("ab", "ba")
        ]:
            future.result(60)
    assert limits(server_database) == {"a": 2, "b": 2}
    assert len(runs) == 3


@pytest.mark.parametrize(
    # PostgreSQL takes a second to notice each.
    "server_database",
    ["mysql"],
    indirect=True,
)
def test_many_deadlocks_in_a_row(server_database: session.Database) -> None:
    """Who was chosen to end one comes back a little later, not at once into the next."""
    threads, times, resources = 12, 10, "abcdef"
    for resource in resources:
        server_database.api.transact(add, resource)

    def bump_all(tx: session.Connection, order: list[str]) -> None:
        for resource in order:
            tx.execute(
                sa.update(QUOTAS)
                .where(QUOTAS.c.resource == resource)
                .values(hard_limit=QUOTAS.c.hard_limit + 1)
            )

    def work(number: int) -> None:
        order = random.Random(number)
        for _ in range(times):
            server_database.api.transact(bump_all, order.sample(resources, len(resources)))

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    assert limits(server_database) == dict.fromkeys(resources, threads * times)


def deadlock() -> sa.exc.OperationalError:
    """As PyMySQL and SQLAlchemy tell of one."""
    text = "Deadlock found when trying to get lock; try restarting transaction"
    return sa.exc.OperationalError("UPDATE", {}, pymysql.err.OperationalError(1213, text))


@pytest.mark.parametrize("server_database", ["mysql"], indirect=True)
def test_a_long_row_of_deadlocks(
    server_database: session.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is as slow as many others are quick is chosen again and again."""
    monkeypatch.setattr(session, "_LONGEST_PAUSE_S", 0.01)
    runs: list[str] = []

    def lose_often(tx: session.Connection) -> None:
        runs.append("run")
        add(tx, "a")
        if len(runs) <= 40:
            raise deadlock()

    server_database.api.transact(lose_often)
    assert len(runs) == 41
    assert limits(server_database) == {"a": 0}


@pytest.mark.parametrize("server_database", ["mysql"], indirect=True)
def test_an_endless_row_of_deadlocks_is_told(
    server_database: session.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_LONGEST_PAUSE_S", 0.01)

    def lose(tx: session.Connection) -> None:
        add(tx, "a")
        raise deadlock()

    with pytest.raises(sa.exc.OperationalError, match="Deadlock found"):
        server_database.api.transact(lose)
    assert limits(server_database) == {}


def test_other_errors_are_not_repeated(database: session.Database) -> None:
    runs = 0

    def fail(tx: session.Connection) -> None:
        nonlocal runs
        runs += 1
        add(tx, "a")
        tx.execute(sa.text("SELECT 1 FROM nothing_of_that_name"))

    with pytest.raises(sa.exc.DBAPIError):
        database.api.transact(fail)
    assert runs == 1
    assert limits(database) == {}


def test_an_error_rolls_back(database: session.Database) -> None:
    def fail() -> None:
        with database.api.write() as tx:
            add(tx, "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert limits(database) == {}


def test_a_connection_left_in_a_transaction_is_cleaned(database: session.Database) -> None:
    """However it came to that: the next user of the connection starts afresh."""
    connection = database.api.engine.raw_connection()
    cursor = connection.cursor()
    if database.api.url.get_backend_name() == "sqlite":
        cursor.execute("BEGIN")
    cursor.execute("INSERT INTO quotas (project_id, resource, hard_limit) VALUES ('p', 'a', 0)")
    connection.close()
    with database.api.write() as tx:
        add(tx, "a")
    assert limits(database) == {"a": 0}


def test_a_connection_that_was_cut_is_replaced(
    server_database: session.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PING_AFTER_IDLE_S", 0)
    for scope in (server_database.api.read, server_database.api.write):
        with scope() as connection:
            function = (
                "pg_backend_pid()"
                if connection.dialect.name == "postgresql"
                else "connection_id()"
            )
            process = connection.execute(sa.text(f"SELECT {function}")).scalar()
        _cut(server_database, process)
        with scope() as connection:
            assert connection.execute(sa.text(f"SELECT {function}")).scalar() != process


def _cut(database: session.Database, process: object) -> None:
    engine = sa.create_engine(
        database.api.url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"SELECT pg_terminate_backend({process}, 5000)"))
        else:
            connection.execute(sa.text(f"KILL {process}"))


def test_what_the_server_hears_of_a_read_and_a_write() -> None:
    """One statement, and a statement with its COMMIT: no pings, no ROLLBACKs.
    (PyMySQL begins transactions without a word.)"""
    with databases.fresh_url("mysql") as url:
        database = databases.database_at(url)
        databases.create_tables(database)
        with database.api.read() as reader, database.api.write() as writer:
            threads = {
                connection.execute(sa.text("SELECT connection_id()")).scalar()
                for connection in (reader, writer)
            }
        with _general_log() as heard:
            limits(database)
            database.api.transact(add, "a")
        database.dispose()
    assert [text.split()[0] for thread, text in heard if thread in threads] == [
        "SELECT",
        "INSERT",
        "COMMIT",
    ]


class _general_log:  # noqa: N801
    """What MariaDB hears, as (thread id, statement)."""

    def __enter__(self) -> list[tuple[int, str]]:
        self._engine = sa.create_engine(
            databases.server_url("mysql"), isolation_level="AUTOCOMMIT"
        )
        self._heard: list[tuple[int, str]] = []
        self._say("SET GLOBAL log_output = 'TABLE'", "TRUNCATE mysql.general_log")
        self._say("SET GLOBAL general_log = 1")
        return self._heard

    def __exit__(self, *_error: object) -> None:
        self._say("SET GLOBAL general_log = 0")
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.text("SELECT thread_id, argument FROM mysql.general_log ORDER BY event_time")
            )
            for thread, argument in rows:
                text = argument.decode() if isinstance(argument, bytes) else argument
                self._heard.append((thread, text or "PING"))
        self._engine.dispose()

    def _say(self, *statements: str) -> None:
        with self._engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


def test_a_new_sqlite_database_may_be_opened_by_many_at_once(tmp_path: pathlib.Path) -> None:
    """Switching to the write-ahead log fails at once where others would wait."""
    for round_ in range(20):
        url = f"sqlite:///{tmp_path}/{round_}.sqlite"
        scopes = [session.Scope(url) for _ in range(8)]
        start = threading.Barrier(len(scopes))

        def touch(scope: session.Scope, start: threading.Barrier = start) -> None:
            start.wait()
            with scope.read() as connection:
                connection.execute(sa.text("SELECT 1"))

        with concurrent.futures.ThreadPoolExecutor(len(scopes)) as pool:
            list(pool.map(touch, scopes))
        for scope in scopes:
            scope.dispose()


@pytest.mark.parametrize("option", ["connection", "api_connection"])
def test_a_url_that_is_wrong_is_named_and_not_shown(option: str) -> None:
    """It may hold a password, which SQLAlchemy takes for a port here."""
    conf = databases.conf_of("sqlite://")
    conf.set_override(option, "mysql+pymysql://nova:secret", group="database")
    with pytest.raises(exceptions.DatabaseUrlInvalid) as caught:
        session.Database(conf)
    shown = "".join(traceback.format_exception(caught.value))
    assert f"{option} in section [database]" in shown
    assert "secret" not in shown
