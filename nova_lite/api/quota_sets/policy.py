"""Rules of quotas."""

from nova_lite.api import policy

SHOW = "os-quota-sets:show"
DEFAULTS = "os-quota-sets:defaults"
DETAIL = "os-quota-sets:detail"
UPDATE = "os-quota-sets:update"
DELETE = "os-quota-sets:delete"

_ONE = "/os-quota-sets/{tenant_id}"

RULES = [
    policy.rule(SHOW, policy.READER, "Show a project's quotas", f"GET {_ONE}"),
    policy.rule(DEFAULTS, policy.ANYBODY, "Show the default quotas", f"GET {_ONE}/defaults"),
    policy.rule(DETAIL, policy.READER, "Show quotas with their use", f"GET {_ONE}/detail"),
    policy.rule(UPDATE, policy.ADMIN, "Set a project's quotas", f"PUT {_ONE}"),
    policy.rule(DELETE, policy.ADMIN, "Give a project the defaults again", f"DELETE {_ONE}"),
]
