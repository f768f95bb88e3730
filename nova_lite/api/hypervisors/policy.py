"""Rules of hypervisors."""

from nova_lite.api import policy

LIST = "os-hypervisors:list"
DETAIL = "os-hypervisors:list-detail"
SHOW = "os-hypervisors:show"
STATISTICS = "os-hypervisors:statistics"
SEARCH = "os-hypervisors:search"
SERVERS = "os-hypervisors:servers"

RULES = [
    policy.rule(LIST, policy.ADMIN, "List hypervisors", "GET /os-hypervisors"),
    policy.rule(DETAIL, policy.ADMIN, "List hypervisors in full", "GET /os-hypervisors/detail"),
    policy.rule(SHOW, policy.ADMIN, "Show a hypervisor", "GET /os-hypervisors/{hypervisor_id}"),
    policy.rule(
        STATISTICS, policy.ADMIN, "Sum over all hypervisors", "GET /os-hypervisors/statistics"
    ),
    policy.rule(
        SEARCH,
        policy.ADMIN,
        "Find hypervisors by name",
        "GET /os-hypervisors/{hypervisor_hostname_pattern}/search",
    ),
    policy.rule(
        SERVERS,
        policy.ADMIN,
        "List servers by hypervisor",
        "GET /os-hypervisors/{hypervisor_hostname_pattern}/servers",
    ),
]
