"""Rules of a server's volumes."""

from nova_lite.api import policy

INDEX = "os-volumes-attachments:index"
SHOW = "os-volumes-attachments:show"
CREATE = "os-volumes-attachments:create"
UPDATE = "os-volumes-attachments:update"
SWAP = "os-volumes-attachments:swap"
DELETE = "os-volumes-attachments:delete"

_ALL = "/servers/{server_id}/os-volume_attachments"
_ONE = f"{_ALL}/{{volume_id}}"

RULES = [
    policy.rule(INDEX, policy.READER, "List a server's volumes", f"GET {_ALL}"),
    policy.rule(SHOW, policy.READER, "Show a volume of a server", f"GET {_ONE}"),
    policy.rule(CREATE, policy.MEMBER, "Attach a volume", f"POST {_ALL}"),
    policy.rule(UPDATE, policy.MEMBER, "Say whether a volume goes with its server", f"PUT {_ONE}"),
    policy.rule(SWAP, policy.ADMIN_OR_SERVICE, "Put another volume in its place", f"PUT {_ONE}"),
    policy.rule(DELETE, policy.MEMBER, "Detach a volume", f"DELETE {_ONE}"),
]
