"""Rules of the storage trace. Ours: Nova has no such resource."""

from nova_lite.api import policy

SHOW = "nova-lite-storage-trace:show"

RULES = [
    policy.rule(
        SHOW,
        policy.ADMIN,
        "Show where a server's storage comes from and who has it",
        "GET /servers/{server_id}/nova-lite-storage-trace",
    ),
]
