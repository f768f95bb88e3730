"""Rules of the journal that users see."""

from nova_lite.api import policy

LIST = "os-instance-actions:list"
SHOW = "os-instance-actions:show"
EVENTS = "os-instance-actions:events"
EVENT_DETAILS = "os-instance-actions:events:details"

_ALL = "/servers/{server_id}/os-instance-actions"
_ONE = f"{_ALL}/{{request_id}}"

RULES = [
    policy.rule(LIST, policy.READER, "List what was done to a server", f"GET {_ALL}"),
    policy.rule(SHOW, policy.READER, "Show one action with its events", f"GET {_ONE}"),
    policy.rule(
        EVENTS,
        policy.ADMIN,
        "See events before 2.51, and the hosts and tracebacks of events after",
        f"GET {_ONE}",
    ),
    policy.rule(
        EVENT_DETAILS, policy.ADMIN, "See the details of failed events (2.84)", f"GET {_ONE}"
    ),
]
