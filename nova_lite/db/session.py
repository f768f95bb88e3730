"""Connections and transactions.

A :class:`Scope` is one database. ``read()`` is for statements that stand alone:
they run in autocommit, so that a look-up costs one statement and not three.
``write()`` is a transaction. Plain SQLAlchemy serves here and not oslo.db's
enginefacade, which adds a ``SELECT 1`` to every transaction and 18 MB to every
process.
"""

import collections.abc
import contextlib
import functools
import random
import sqlite3
import time
import typing

import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy import event
from sqlalchemy import exc
from sqlalchemy import pool

from nova_lite import concurrency
from nova_lite import exceptions

Connection = sa.Connection
DuplicateKey = exc.IntegrityError

P = typing.ParamSpec("P")
R = typing.TypeVar("R")

PING_AFTER_IDLE_S = 5.0

# So many that a victim among many quick others has its turn; by time, a slow database
# would leave fewer to who needs them most. The pauses come to some twelve seconds.
_DEADLOCK_ATTEMPTS = 50
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.5
_SQLITE_TIMEOUT_S = 30
_MYSQL_IN_TRANSACTION = 1
# MariaDB's "Deadlock found"; PostgreSQL's deadlock_detected and
# serialization_failure. SQLite has one writer and therefore none.
_MYSQL_DEADLOCKS = {1213}
_POSTGRESQL_DEADLOCKS = {"40P01", "40001"}


class Scope:
    """One database: a pool for autocommit and a pool for transactions."""

    def __init__(
        self, url: str | sa.URL, *, pool_size: int = 20, pool_timeout_s: float = 30
    ) -> None:
        self.url = sa.make_url(url)
        self.engine = _engine(self.url, pool_size, pool_timeout_s)
        # A pool of its own: switching a pooled connection to and fro would
        # cost the statements that autocommit is there to save.
        self._autocommit = _engine(
            self.url, pool_size, pool_timeout_s, isolation_level="AUTOCOMMIT"
        )

        # SQLite blocks a whole process while it waits for a lock that another
        # green thread of the same process may hold, so those take turns here.
        self._one_writer: contextlib.AbstractContextManager[object] = (
            concurrency.Semaphore(1)
            if self.url.get_backend_name() == "sqlite"
            else contextlib.nullcontext()
        )

    @property
    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        """Both engines, for those who count or trace statements."""
        return self.engine, self._autocommit

    @contextlib.contextmanager
    def read(self) -> collections.abc.Iterator[Connection]:
        """A connection where each statement stands alone (also a single
        ``UPDATE`` that is its own compare-and-swap)."""
        with self._autocommit.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> collections.abc.Iterator[Connection]:
        """A transaction: committed at the end, rolled back on an error."""
        with self._one_writer, self.engine.begin() as connection:
            yield connection

    def transact(
        self,
        function: collections.abc.Callable[typing.Concatenate[Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Run ``function(connection, ...)`` in a transaction, and run it again
        when the database chose it to end a deadlock.

        ``function`` must do nothing but talk to the database.
        """
        for attempt in range(_DEADLOCK_ATTEMPTS - 1):
            try:
                with self.write() as connection:
                    return function(connection, *args, **kwargs)
            except exc.OperationalError as error:
                if not _is_deadlock(error):
                    raise
            # At once it would meet the same others again; by chance, so that two that
            # met do not come back together.
            longest_s = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
            concurrency.sleep(random.uniform(0, longest_s))
        with self.write() as connection:
            return function(connection, *args, **kwargs)

    def dispose(self) -> None:
        """Close all connections."""
        for engine in self.engines:
            engine.dispose()


def url_of(conf: cfg.ConfigOpts, option: typing.Literal["api_connection", "connection"]) -> sa.URL:
    """The URL of a database.

    :raises nova_lite.exceptions.DatabaseUrlInvalid: it is none. SQLAlchemy's error would
        show a part of the password, where that is taken for a port.
    """
    try:
        url = sa.make_url(getattr(conf.database, option))
        url.get_dialect()
    except (ValueError, exc.ArgumentError, exc.NoSuchModuleError):
        raise exceptions.DatabaseUrlInvalid(option=option) from None
    if "@" in (url.host or ""):
        # The end of a password, and a name that errors of the driver would show.
        raise exceptions.DatabaseUrlInvalid(option=option)
    return url


class Database:
    """The API database and the cell database."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        size = conf.database.max_pool_size
        self.api = Scope(url_of(conf, "api_connection"), pool_size=size)
        self.cell = Scope(url_of(conf, "connection"), pool_size=size)

    def dispose(self) -> None:
        """Close all connections."""
        self.api.dispose()
        self.cell.dispose()


def _engine(
    url: sa.URL,
    pool_size: int,
    pool_timeout_s: float,
    **options: typing.Any,
) -> sa.Engine:
    backend = url.get_backend_name()
    if backend in ("mysql", "mariadb"):
        options.setdefault("isolation_level", "READ COMMITTED")
        options["connect_args"] = {
            "connect_timeout": 10,
            "read_timeout": 60,
            "write_timeout": 60,
            "charset": "utf8mb4",
        }
    elif backend == "postgresql":
        concurrency.patch_psycopg()
        options["connect_args"] = {
            "connect_timeout": 10,
            "options": "-c statement_timeout=60000",
        }
    if backend == "sqlite":
        options["connect_args"] = {"timeout": _SQLITE_TIMEOUT_S, "check_same_thread": False}
    else:
        options.update(
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_timeout_s,
            pool_recycle=3600,
        )
    # By default each visit to the database would end with a ROLLBACK of nothing.
    engine = sa.create_engine(
        url, skip_autocommit_rollback=True, pool_reset_on_return=None, **options
    )
    event.listen(engine, "reset", _roll_back_if_begun)
    if backend != "sqlite":
        event.listen(engine, "checkin", _note_time)
        event.listen(engine, "checkout", _ping_if_idle)
    if engine.driver == "pymysql":
        event.listen(engine, "do_connect", _connect_by_pymysql)
    if backend == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        if "isolation_level" not in options:
            event.listen(engine, "begin", _begin_immediate)
    return engine


def _connect_by_pymysql(
    _dialect: object, _record: object, args: list[typing.Any], options: dict[str, typing.Any]
) -> typing.Any:
    return _pymysql_connection()(*args, **options)


@functools.cache
def _pymysql_connection() -> typing.Any:
    """PyMySQL's connection with one TLS context a process. It makes one for each
    connection, also to servers without TLS: 0.9 MB and 20 ms of processor time."""
    from pymysql import connections

    class Connection(connections.Connection):
        _contexts: typing.ClassVar[dict[str, typing.Any]] = {}

        def _create_ssl_ctx(self, options: typing.Any) -> typing.Any:
            key = repr(options)
            if key not in self._contexts:
                self._contexts[key] = super()._create_ssl_ctx(options)  # type: ignore[misc]
            return self._contexts[key]

    return Connection


def _is_deadlock(error: exc.DBAPIError) -> bool:
    code = getattr(error.orig, "pgcode", None)
    if code is not None:
        return code in _POSTGRESQL_DEADLOCKS
    return bool(error.orig and error.orig.args and error.orig.args[0] in _MYSQL_DEADLOCKS)


def _roll_back_if_begun(connection: typing.Any, _record: object, _state: object) -> None:
    """Clean a connection that returns to the pool in a transaction."""
    status = getattr(connection, "server_status", None)
    # PyMySQL asks the server each time; psycopg2 and sqlite3 know by themselves.
    if status is None or status & _MYSQL_IN_TRANSACTION:
        connection.rollback()


def _note_time(_connection: object, record: pool.ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _ping_if_idle(
    connection: typing.Any, record: pool.ConnectionPoolEntry, _proxy: object
) -> None:
    """Notice that the server, or a firewall on the way, has hung up.

    Asking each time would double the messages of a small transaction.
    """
    idle_since = record.info.get("idle_since")
    if idle_since is None or time.monotonic() - idle_since < PING_AFTER_IDLE_S:
        return
    try:
        if hasattr(connection, "ping"):
            connection.ping(reconnect=False)
        else:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            connection.rollback()
    except Exception as error:
        # The pool then makes a new connection.
        raise exc.DisconnectionError(str(error)) from error


def _begin_immediate(connection: sa.Connection) -> None:
    """Take the write lock at once: a later upgrade fails instead of waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare_sqlite(connection: typing.Any, _record: object) -> None:
    """Readers are not blocked by writers; we begin transactions ourselves."""
    connection.isolation_level = None
    cursor = connection.cursor()
    _enter_wal(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _enter_wal(cursor: typing.Any) -> None:
    """Switch a new database to write-ahead logging; it stays so ever after.

    The one statement that SQLite fails at once, without waiting for its
    timeout, while another process opens the new database as well.
    """
    end = time.monotonic() + _SQLITE_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() >= end:
                raise
            concurrency.sleep(0.01)
