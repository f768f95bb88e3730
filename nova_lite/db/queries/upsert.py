"""``INSERT`` that tolerates that the row is there, in three dialects.

Unlike catching the unique violation, it leaves a PostgreSQL transaction
usable, and works in autocommit as well, where there is no savepoint.
"""

import collections.abc
import functools
import typing

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite

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
        tx.execute(mysql.insert(table).values(values).on_duplicate_key_update(changes))
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
    return _insert(table, dialect).inline().on_conflict_do_nothing()


def _insert(table: sa.Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
