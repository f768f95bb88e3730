"""Rules of host aggregates."""

from nova_lite.api import policy

INDEX = "os-aggregates:index"

RULES = [
    policy.rule(INDEX, policy.ADMIN, "List aggregates", "GET /os-aggregates"),
]
