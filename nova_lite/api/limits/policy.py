"""Rules of limits."""

from nova_lite.api import policy

SHOW = "limits"
OTHER_PROJECT = "limits:other_project"

RULES = [
    policy.rule(SHOW, policy.ANYBODY, "Show one's own limits", "GET /limits"),
    policy.rule(OTHER_PROJECT, policy.ADMIN, "Show another project's limits", "GET /limits"),
]
