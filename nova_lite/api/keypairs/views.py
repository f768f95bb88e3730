"""How a keypair looks to a client."""

import typing

from nova_lite.api import microversion
from nova_lite.api import timestamps
from nova_lite.db.queries import keypairs

View: typing.TypeAlias = dict[str, typing.Any]


def item(version: microversion.Version, keypair: keypairs.Keypair) -> View:
    """One of a list."""
    view: View = {
        "name": keypair.name,
        "public_key": keypair.public_key,
        "fingerprint": keypair.fingerprint,
    }
    if version >= microversion.KEYPAIR_TYPES:
        view["type"] = keypair.type
    return {"keypair": view}


def created(
    version: microversion.Version, keypair: keypairs.Keypair, private_key: str | None
) -> View:
    """The answer to a create; the only time the private key is seen."""
    view = item(version, keypair)
    view["keypair"]["user_id"] = keypair.user_id
    if private_key is not None:
        view["keypair"]["private_key"] = private_key
    return view


def detail(version: microversion.Version, keypair: keypairs.Keypair) -> View:
    """One keypair alone."""
    view = item(version, keypair)
    view["keypair"] |= {
        "id": keypair.id,
        "user_id": keypair.user_id,
        "created_at": timestamps.precise(keypair.created_at),
        # A keypair never changes, and a deleted one is not shown.
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return view
