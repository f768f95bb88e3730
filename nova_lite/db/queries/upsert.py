"""``INSERT`` that tolerates that the row is there, in three dialects.

Unlike catching the unique violation, it leaves a PostgreSQL transaction
usable, and works in autocommit as well, where there is no savepoint.
"""

import collections.abc
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
        statement = _insert(tx, table).values(values).inline()
        tx.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))


def insert_if_absent(tx: session.Connection, table: sa.Table, values: Values) -> bool:
    """Insert ``values`` unless that violates a unique constraint.

    :returns: whether the row was inserted.
    """
    if tx.dialect.name in ("mysql", "mariadb"):
        done = tx.execute(sa.insert(table).values(values).prefix_with("IGNORE").inline())
    else:
        statement = _insert(tx, table).values(values).inline()
        done = tx.execute(statement.on_conflict_do_nothing())
    return done.rowcount == 1


def _insert(tx: session.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    return (postgresql if tx.dialect.name == "postgresql" else sqlite).insert(table)
