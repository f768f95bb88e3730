"""Names under which conductors own work in the database."""

from oslo_utils import uuidutils

from nova_lite.db.queries import build_requests

ANY = "conductor"
"""Work that any conductor may take."""
API = build_requests.API_OWNER
"""Work that the API is still preparing."""
WITHDRAWN = build_requests.WITHDRAWN_OWNER
"""A wish for a server that is taken back."""


def this_conductor(host: str) -> str:
    """Prefix of all that the conductor on a host owns; a conductor that starts
    finds by it what its predecessor left."""
    return f"conductor@{host}#"


def new_claim(host: str) -> str:
    """An owner's name that is used for one claim only, so that a doubled
    message cannot take it for its own."""
    return this_conductor(host) + uuidutils.generate_uuid()


def is_conductor(owner: str | None) -> bool:
    """Whether a conductor, and no compute host, owns it."""
    return owner is not None and (owner == ANY or owner.startswith("conductor@"))
