"""Keypairs: the public keys of users (API database)."""

import dataclasses
import datetime

import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.models import api

TABLE = api.key_pairs


@dataclasses.dataclass(frozen=True)
class Keypair:
    """A public key under a name. The private half is never kept."""

    user_id: str
    name: str
    type: str
    """``ssh``."""
    fingerprint: str
    public_key: str
    created_at: datetime.datetime
    id: int | None = None


class KeypairExists(exceptions.Conflict):
    """The user has another key of that name."""

    template = "Key pair '{name}' already exists."


class KeypairNotFound(exceptions.NotFound):
    """The user has no key of that name."""

    template = "Keypair {name} not found for user {user_id}"


class KeypairQuotaExceeded(exceptions.QuotaExceeded):
    """The user has as many keys as the quota allows."""

    template = "Quota exceeded, too many key pairs: the limit is {limit}."


def get(tx: session.Connection, user_id: str, name: str) -> Keypair:
    """One keypair of a user.

    :raises KeypairNotFound: there is none.
    """
    query = sa.select(TABLE).where(TABLE.c.user_id == user_id, TABLE.c.name == name)
    row = tx.execute(query).one_or_none()
    if row is None:
        raise KeypairNotFound(name=name, user_id=user_id)
    return Keypair(**row._mapping)


def list_page(
    tx: session.Connection,
    user_id: str,
    *,
    marker: str | None = None,
    limit: int | None = None,
) -> list[Keypair]:
    """Keypairs of a user by name.

    :param marker: name after which the page starts.
    :raises KeypairNotFound: there is no keypair of the marker's name.
    """
    query = sa.select(TABLE).where(TABLE.c.user_id == user_id).order_by(TABLE.c.name)
    if marker is not None:
        query = query.where(TABLE.c.name > get(tx, user_id, marker).name)
    return [Keypair(**row._mapping) for row in tx.execute(query.limit(limit))]


def count(tx: session.Connection, user_id: str) -> int:
    """How many keypairs a user has."""
    query = sa.select(sa.func.count(TABLE.c.id)).where(TABLE.c.user_id == user_id)
    return int(tx.scalar(query) or 0)


def new(user_id: str, name: str, fingerprint: str, public_key: str) -> Keypair:
    """A keypair for SSH that is not stored yet."""
    return Keypair(user_id, name, "ssh", fingerprint, public_key, timeutils.utcnow())


def create(tx: session.Connection, keypair: Keypair, *, limit: int) -> None:
    """Store a keypair.

    :param limit: keypairs the user may have; negative is no limit.
    :raises KeypairQuotaExceeded: the user has as many already.
    :raises KeypairExists: the name is taken.
    """
    if 0 <= limit <= count(tx, keypair.user_id):
        raise KeypairQuotaExceeded(limit=limit)
    values = dataclasses.asdict(keypair)
    del values["id"]
    try:
        with tx.begin_nested():
            tx.execute(sa.insert(TABLE).values(**values))
    except session.DuplicateKey as error:
        raise KeypairExists(name=keypair.name) from error


def delete(tx: session.Connection, user_id: str, name: str) -> None:
    """Forget a keypair; servers keep their copy.

    :raises KeypairNotFound: there is none.
    """
    query = sa.delete(TABLE).where(TABLE.c.user_id == user_id, TABLE.c.name == name)
    if tx.execute(query).rowcount == 0:
        raise KeypairNotFound(name=name, user_id=user_id)
