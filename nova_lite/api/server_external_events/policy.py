"""Rules of what other services tell us."""

from nova_lite.api import policy

CREATE = "os-server-external-events:create"

RULES = [
    policy.rule(
        CREATE,
        policy.ADMIN_OR_SERVICE,
        "Tell of events outside of this service that concern servers",
        "POST /os-server-external-events",
    ),
]
