"""Rules of keypairs."""

from nova_lite.api import policy

INDEX = "os-keypairs:index"

RULES = [
    policy.rule(INDEX, policy.ANYBODY, "List one's own keypairs", "GET /os-keypairs"),
]
