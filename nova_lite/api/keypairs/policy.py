"""Rules of keypairs. They belong to users: whoever asks must be that user."""

from nova_lite.api import policy

INDEX = "os-keypairs:index"
SHOW = "os-keypairs:show"
CREATE = "os-keypairs:create"
DELETE = "os-keypairs:delete"

_OWNER = f"({policy.ADMIN}) or user_id:%(user_id)s"
_ONE = "/os-keypairs/{keypair_name}"

RULES = [
    policy.rule(INDEX, _OWNER, "List a user's keypairs", "GET /os-keypairs"),
    policy.rule(SHOW, _OWNER, "Show a keypair", f"GET {_ONE}"),
    policy.rule(CREATE, _OWNER, "Create or import a keypair", "POST /os-keypairs"),
    policy.rule(DELETE, _OWNER, "Delete a keypair", f"DELETE {_ONE}"),
]
