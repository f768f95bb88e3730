"""Bring a database to what the code expects.

Two branches, ``api`` and ``cell``, each with numbered files under
``versions/`` and a version table of its own, so that both may live in one
database. Migrations only go forward and only add: a daemon of the release
before must be able to run on the result.
"""

import contextlib
import pathlib
import typing

import sqlalchemy as sa
from oslo_config import cfg

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.queries import cells

Branch: typing.TypeAlias = typing.Literal["api", "cell"]
BRANCHES: tuple[Branch, ...] = ("api", "cell")

_HERE = pathlib.Path(__file__).parent
# An arbitrary number that no one else locks.
_POSTGRESQL_LOCK = 7010001
_MYSQL_LOCK = "nova_lite_migrations"
_LOCK_TIMEOUT_S = 300


def sync(conf: cfg.ConfigOpts) -> dict[Branch, str | None]:
    """Bring both databases up to date and see to it that there is a cell.

    :returns: the revision each had before.
    :raises DatabaseTooNew: one has migrations that this release does not know.
    """
    before = {branch: upgrade(conf, branch) for branch in BRANCHES}
    scope = session.Scope(session.url_of(conf, "api_connection"), pool_size=1)
    try:
        with scope.read() as connection:
            cells.ensure_default(connection)
    finally:
        scope.dispose()
    return before


def upgrade(
    conf_or_url: cfg.ConfigOpts | str, branch: Branch, revision: str = "head"
) -> str | None:
    """Run the migrations that are missing; one process at a time does it.

    A database that is up to date costs one look, without loading alembic.

    :param revision: where to stop; ``head`` is the newest.
    :returns: the revision before, None for an empty database.
    :raises DatabaseTooNew: it has migrations that this release does not know.
    """
    url = _url(conf_or_url, branch)
    before = current(conf_or_url, branch)
    if before is not None and before > head(branch):
        raise exceptions.DatabaseTooNew(branch=branch, current=before, known=head(branch))
    if before == (head(branch) if revision == "head" else revision):
        return before
    if url.get_backend_name() == "sqlite" and url.database:
        pathlib.Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    with _engine(url) as engine, engine.begin() as connection:
        _take_turns(connection)
        _run(connection, branch, revision)
    return before


def current(conf_or_url: cfg.ConfigOpts | str, branch: Branch) -> str | None:
    """The revision of a database; None if no migration ever ran."""
    url = _url(conf_or_url, branch)
    if url.get_backend_name() == "sqlite" and not pathlib.Path(url.database or "").is_file():
        return None
    versions = sa.table(version_table(branch), sa.column("version_num", sa.String))
    with _engine(url) as engine, engine.connect() as connection:
        if not sa.inspect(connection).has_table(versions.name):
            return None
        return connection.execute(sa.select(versions.c.version_num)).scalar()


def head(branch: Branch) -> str:
    """The newest revision that this release knows."""
    return revisions(branch)[-1]


def revisions(branch: Branch) -> list[str]:
    """All revisions, in order: the numbers that the files begin with."""
    return sorted(path.name[:4] for path in (_HERE / "versions" / branch).glob("[0-9]*.py"))


def version_table(branch: Branch) -> str:
    """Name of the table in which alembic notes the branch's revision."""
    return f"nova_lite_{branch}_version"


def _run(connection: sa.Connection, branch: Branch, revision: str) -> None:
    from alembic import command
    from alembic import config

    settings = config.Config(attributes={"connection": connection})
    settings.attributes["version_table"] = version_table(branch)
    settings.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option(
        "version_locations", str(_HERE / "versions" / branch).replace("%", "%%")
    )
    command.upgrade(settings, revision)


def _take_turns(connection: sa.Connection) -> None:
    """Let one process migrate at a time; the others then find it done.

    SQLite has taken its write lock with the transaction already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)))
    elif connection.dialect.name in ("mysql", "mariadb"):
        # DDL commits there, so the lock is the session's and ends with it.
        connection.execute(sa.select(sa.func.get_lock(_MYSQL_LOCK, _LOCK_TIMEOUT_S)))


@contextlib.contextmanager
def _engine(url: sa.URL) -> typing.Iterator[sa.Engine]:
    if url.get_backend_name() == "sqlite":
        scope = session.Scope(url)
        engine = scope.engine
    else:
        # Not a daemon's engine: a migration may take longer than a query may.
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


def _url(conf_or_url: cfg.ConfigOpts | str, branch: Branch) -> sa.URL:
    if isinstance(conf_or_url, str):
        return sa.make_url(conf_or_url)
    return session.url_of(conf_or_url, "api_connection" if branch == "api" else "connection")
