"""Who this compute node is: a stored UUID, never a name that may change."""

import pathlib
import uuid

from nova_lite import durable


def node_uuid(state_path: str) -> str:
    """The identity in ``<state_path>/compute_id``, made at the first call.

    :raises ValueError: the file holds something else than a UUID. An operator
        must look: a new identity would orphan every guest of the old one.
    """
    path = pathlib.Path(state_path) / "compute_id"
    if path.exists():
        return str(uuid.UUID(path.read_text().strip()))
    identity = str(uuid.uuid4())
    durable.write_text(path, identity + "\n")
    return identity
