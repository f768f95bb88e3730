"""``/os-keypairs``: the SSH keys a user puts into servers."""

import string
import typing

from nova_lite import exceptions
from nova_lite.api import microversion
from nova_lite.api import paging
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.keypairs import policy
from nova_lite.api.keypairs import schemas
from nova_lite.api.keypairs import sshkeys
from nova_lite.api.keypairs import views
from nova_lite.db import session
from nova_lite.db.queries import keypairs
from nova_lite.db.queries import quotas

_NAME_CHARACTERS = frozenset("_- " + string.digits + string.ascii_letters)
_LATER_NAME_CHARACTERS = _NAME_CHARACTERS | set("@.")


@validation.answers({200: schemas.LISTED})
def index(req: request.Request) -> dict[str, typing.Any]:
    """``GET /os-keypairs``."""
    query = req.query(schemas.INDEX)
    user_id = _user(req, query)
    req.authorize(policy.INDEX, {"user_id": user_id})
    paged = req.version >= microversion.PAGED_KEYPAIRS
    with req.database.api.read() as tx:
        try:
            found = keypairs.list_page(
                tx,
                user_id,
                marker=paging.marker(query) if paged else None,
                limit=paging.limit(req, query) if paged else None,
            )
        except keypairs.KeypairNotFound as error:
            raise exceptions.InvalidInput(
                f"Marker {paging.marker(query)} could not be found."
            ) from error
    answer: dict[str, typing.Any] = {
        "keypairs": [views.item(req.version, keypair) for keypair in found]
    }
    if paged:
        last = found[-1].name if found else None
        links = paging.next_links(req, query, "os-keypairs", found, last)
        if links:
            answer["keypairs_links"] = links
    return answer


@validation.answers({200: schemas.SHOWN})
def show(req: request.Request, keypair_name: str) -> dict[str, typing.Any]:
    """``GET /os-keypairs/{keypair_name}``."""
    user_id = _user(req, req.query(schemas.ONE))
    req.authorize(policy.SHOW, {"user_id": user_id})
    with req.database.api.read() as tx:
        return views.detail(req.version, keypairs.get(tx, user_id, keypair_name))


@validation.answers({200: schemas.CREATED_2_1, 201: schemas.CREATED})
def create(req: request.Request) -> request.Response:
    """``POST /os-keypairs``: import a public key, or, before 2.92, generate one."""
    body = req.body(schemas.CREATE)["keypair"]
    user_id = body.get("user_id") or str(req.ctxt.user_id)
    req.authorize(policy.CREATE, {"user_id": user_id})
    if body.get("type", "ssh") != "ssh":
        raise sshkeys.InvalidKeypair(
            reason=f"type {body['type']} is not supported; use ssh, the only type of this service."
        )
    _check_name(req, body["name"])
    private_key, public_key = None, body.get("public_key")
    if public_key is None:
        private_key, public_key = sshkeys.generate()
    keypair = keypairs.new(user_id, body["name"], sshkeys.fingerprint(public_key), public_key)
    req.database.api.transact(_store, req, keypair)
    status = 201 if req.version >= microversion.KEYPAIR_TYPES else 200
    return request.Response(status, views.created(req.version, keypair, private_key))


@validation.answers({202: schemas.DELETED_2_1, 204: schemas.DELETED})
def delete(req: request.Request, keypair_name: str) -> request.Response:
    """``DELETE /os-keypairs/{keypair_name}``."""
    user_id = _user(req, req.query(schemas.ONE))
    req.authorize(policy.DELETE, {"user_id": user_id})
    with req.database.api.write() as tx:
        keypairs.delete(tx, user_id, keypair_name)
    return request.NO_CONTENT if req.version >= microversion.KEYPAIR_TYPES else request.ACCEPTED


def _user(req: request.Request, query: request.Query) -> str:
    """Whose keypairs: the asker's, or from 2.10 on those of ``user_id``."""
    own = str(req.ctxt.user_id)
    if req.version < microversion.KEYPAIRS_OF_USERS:
        return own
    return query.get("user_id", [own])[-1]


def _check_name(req: request.Request, name: str) -> None:
    """:raises sshkeys.InvalidKeypair: the name has characters it may not have."""
    allowed = _NAME_CHARACTERS
    if req.version >= microversion.IMPORTED_KEYPAIRS:
        allowed = _LATER_NAME_CHARACTERS
    if name != name.strip():
        raise sshkeys.InvalidKeypair(reason="the name begins or ends with a space.")
    if not allowed.issuperset(name):
        raise sshkeys.InvalidKeypair(
            reason="Keypair name contains unsafe characters: letters, digits, spaces and "
            f"{' '.join(sorted(allowed & set(string.punctuation)))} are allowed."
        )


def _store(tx: session.Connection, req: request.Request, keypair: keypairs.Keypair) -> None:
    quotas.lock(tx, str(req.ctxt.project_id))
    _, limits = quotas.read(tx, req.conf, str(req.ctxt.project_id))
    keypairs.create(tx, keypair, limit=limits["key_pairs"])
