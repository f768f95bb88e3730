"""Rules of the daemons' list."""

from nova_lite.api import policy

LIST = "os-services:list"
UPDATE = "os-services:update"
DELETE = "os-services:delete"

RULES = [
    policy.rule(LIST, policy.ADMIN, "List services", "GET /os-services"),
    policy.rule(
        UPDATE, policy.ADMIN, "Disable or force down a service", "PUT /os-services/{service_id}"
    ),
    policy.rule(DELETE, policy.ADMIN, "Forget a service", "DELETE /os-services/{service_id}"),
]
