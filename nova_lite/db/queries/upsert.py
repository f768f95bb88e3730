"""``INSERT`` that tolerates that the row is there, in three dialects.

Unlike catching the unique violation, it leaves a PostgreSQL transaction
usable, and works in autocommit as well, where there is no savepoint.
"""

import collections.abc
import functools
import importlib
import typing

import sqlalchemy as sa

from nova_lite.db import session

Values: typing.TypeAlias = collections.abc.Mapping[str, typing.Any]


def insert_or_update(
    tx: session.Connection,
    table: sa.Table,
    values: Values,
    key: collections.abc.Sequence[str],
    changes: Values,
) -> None:
    """Insert ``values``; if a row with the same ``key`` exists, set ``changes``.

    :param key: names of the columns of a unique constraint.
    """
    if tx.dialect.name in ("mysql", "mariadb"):
        insert = _dialect("mysql").insert(table)
        tx.execute(insert.values(values).on_duplicate_key_update(changes))
    else:
        statement = _insert(table, tx.dialect.name).values(values).inline()
        tx.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))


def insert_if_absent(tx: session.Connection, table: sa.Table, values: Values) -> bool:
    """Insert ``values`` unless that violates a unique constraint.

    :returns: whether the row was inserted.
    """
    return tx.execute(_insert_if_absent(table, tx.dialect.name), values).rowcount == 1


@functools.cache
def _insert_if_absent(table: sa.Table, dialect: str) -> sa.Insert:
    if dialect in ("mysql", "mariadb"):
        return sa.insert(table).prefix_with("IGNORE").inline()
    statement: sa.Insert = _insert(table, dialect).inline().on_conflict_do_nothing()
    return statement


def _insert(table: sa.Table, dialect: str) -> typing.Any:
    """An ``INSERT`` that knows ``ON CONFLICT``."""
    return _dialect("postgresql" if dialect == "postgresql" else "sqlite").insert(table)


def _dialect(name: str) -> typing.Any:
    # Each is some megabytes, and a deployment has one.
    return importlib.import_module(f"sqlalchemy.dialects.{name}")
