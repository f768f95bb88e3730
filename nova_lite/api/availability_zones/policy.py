"""Rules of availability zones."""

from nova_lite.api import policy

LIST = "os-availability-zone:list"
DETAIL = "os-availability-zone:detail"

RULES = [
    policy.rule(LIST, policy.ANYBODY, "List zones", "GET /os-availability-zone"),
    policy.rule(
        DETAIL, policy.ADMIN, "List zones with their hosts", "GET /os-availability-zone/detail"
    ),
]
