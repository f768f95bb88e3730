"""What each microversion of Nova brought, and what nova_lite does about it.

Data of ``tools/compatibility``, which writes ``docs/reference/compatibility.rst``.
"""

HERE, PART, ABSENT = "supported", "in part", "not here"

MICROVERSIONS: dict[int, tuple[str, str]] = {
    2: (HERE, "types of keypairs (ssh only), 201 and 204 for keypairs"),
    3: (HERE, "more server attributes for administrators; delete_on_termination of volumes"),
    4: (ABSENT, "reserved fixed IPs"),
    5: (HERE, "ip6 filter for everybody (no server has an address)"),
    6: (ABSENT, "remote consoles"),
    7: (HERE, "409 for access to a public flavor"),
    8: (ABSENT, "MKS consoles"),
    9: (HERE, "locked in servers"),
    10: (HERE, "keypairs of other users, for administrators"),
    11: (HERE, "forced_down of services"),
    12: (ABSENT, "a network API of old"),
    13: (ABSENT, "project and user of server groups"),
    14: (ABSENT, "evacuate without onSharedStorage"),
    15: (ABSENT, "soft policies of server groups"),
    16: (HERE, "host_status of servers"),
    17: (ABSENT, "crash dumps"),
    18: (HERE, "paths without a project id"),
    19: (HERE, "description of servers"),
    20: (PART, "volumes of shelved servers (nothing is shelved yet)"),
    21: (HERE, "actions of deleted servers"),
    22: (ABSENT, "forcing a live migration to complete"),
    23: (ABSENT, "migrations of a server"),
    24: (ABSENT, "aborting a live migration"),
    25: (ABSENT, "block_migration=auto"),
    26: (HERE, "tags of servers, and filters by them"),
    27: (HERE, "the second header of microversions"),
    28: (HERE, "cpu_info of hypervisors as an object"),
    29: (ABSENT, "forced evacuation"),
    30: (ABSENT, "forced live migration"),
    31: (ABSENT, "console tokens of every kind"),
    32: (HERE, "device tags at create (and, as in Nova, not in 2.33-2.41)"),
    33: (HERE, "pages of hypervisors"),
    34: (ABSENT, "errors of live migration as faults"),
    35: (HERE, "pages of keypairs"),
    36: (HERE, "no proxies of images, networks and volumes (there never were any)"),
    37: (PART, "networks is needed; auto and none only"),
    38: (HERE, "400 for an unknown status of a filter by members"),
    39: (HERE, "no quota of image metadata"),
    40: (ABSENT, "pages of usage reports"),
    41: (ABSENT, "uuid of aggregates"),
    42: (HERE, "device tags again"),
    43: (HERE, "no /os-hosts"),
    44: (HERE, "no fixed IP actions"),
    45: (HERE, "createImage answers with a body"),
    46: (HERE, "X-OpenStack-Request-ID in answers"),
    47: (HERE, "the flavor inside the server"),
    48: (ABSENT, "standard diagnostics"),
    49: (HERE, "tag of a volume at attach"),
    50: (PART, "quotas of server groups (there are none)"),
    51: (HERE, "events of actions for everybody, without tracebacks; volume-extended events"),
    52: (HERE, "tags at create"),
    53: (HERE, "uuids of services and hypervisors"),
    54: (ABSENT, "key_name at rebuild"),
    55: (HERE, "description of flavors"),
    56: (ABSENT, "host of a cold migration"),
    57: (HERE, "no personality (refused at every version)"),
    58: (HERE, "pages of actions"),
    59: (ABSENT, "pages of migrations"),
    60: (HERE, "multiattach volumes"),
    61: (HERE, "extra_specs in flavors"),
    62: (HERE, "host and hostId in events"),
    63: (PART, "trusted_image_certificates (refused if given)"),
    64: (ABSENT, "policy of server groups"),
    65: (ABSENT, "aborting queued live migrations"),
    66: (HERE, "changes-before"),
    67: (HERE, "volume_type of a new volume"),
    68: (HERE, "no forced live migration and evacuation"),
    69: (PART, "partial answers when a cell is down (there is one cell)"),
    70: (HERE, "tags in attachments"),
    71: (HERE, "server_groups of one server (always empty)"),
    72: (ABSENT, "ports with minimum bandwidth"),
    73: (HERE, "locked_reason"),
    74: (HERE, "host and hypervisor_hostname at create"),
    75: (HERE, "unknown keys are refused; answers are uniform"),
    76: (PART, "power-update events (taken note of)"),
    77: (ABSENT, "zone at unshelve"),
    78: (ABSENT, "topology of a server"),
    79: (HERE, "delete_on_termination at attach"),
    80: (ABSENT, "users of migrations"),
    81: (ABSENT, "image caching by aggregates"),
    82: (PART, "accelerators (their events are taken note of)"),
    83: (HERE, "more filters of servers for everybody"),
    84: (HERE, "details of events"),
    85: (HERE, "update of delete_on_termination"),
    86: (PART, "validation of extra specs (any value is taken)"),
    87: (ABSENT, "rescue of servers that boot from a volume"),
    88: (HERE, "hypervisors without usage"),
    89: (HERE, "attachment_id and bdm_uuid"),
    90: (HERE, "hostname"),
    91: (ABSENT, "host at unshelve"),
    92: (HERE, "keypairs are imported, never generated"),
    93: (PART, "rebuild of servers that boot from a volume (its events are taken note of)"),
    94: (HERE, "fully qualified hostname"),
    95: (ABSENT, "evacuated servers stay stopped"),
    96: (HERE, "pinned_availability_zone"),
    97: (ABSENT, "shares"),
    98: (HERE, "image properties in servers"),
    99: (ABSENT, "SPICE consoles"),
    100: (HERE, "scheduler_hints in servers"),
}

DIFFERENT = (
    ("``POST /servers``", "``networks`` with rows is refused: there is no networking."),
    ("``POST /servers``", "``personality``, ``trusted_image_certificates`` and disk config AUTO "
     "are refused, not ignored."),
    ("``POST /servers``", "A mapping that no driver would honour, a snapshot row that is smaller "
     "than its snapshot, an unknown bus or device type: 400 at once. Nova answers 500, fails "
     "minutes later, or reserves a volume and forgets it."),
    ("``POST /servers``", "The header ``X-Nova-Lite-Dry-Run`` asks for a plan: "
     ":doc:`dry-run`."),
    ("``POST /servers``", "503 if Cinder or Glance do not answer; Nova: 500."),
    ("``POST /servers``", "The scheduler hint ``group`` is refused: there are no server groups."),
    ("``GET /servers``", "A pattern (``name``, ``hostname``) that could take for ever is 400: "
     "repeated groups, and more than three repetitions, options or alternatives in groups."),
    ("``POST …/os-volume_attachments``", "The device's name is chosen by the API, in the answer; "
     "a requested name is checked and not taken."),
    ("``DELETE …/os-volume_attachments/{volume_id}``", "Repeating it while the volume is being "
     "detached is harmless: 202. A volume that was deleted in Cinder, or whose attachment was, is "
     "taken out of the guest all the same; Nova: 404 or 400, for ever."),
    ("``PUT …/os-volume_attachments/{volume_id}``", "Another volume in its place (swap): "
     "only to the volume that Cinder migrates this one to, else 409 (Nova: to any, once a volume "
     "was migrated); not for encrypted volumes."),
    ("``POST /os-server-external-events``", "``volume-extended`` is done; the other events are "
     "taken note of: nothing here waits for them."),
    ("``GET …/os-instance-actions``", "Every step of a boot is an event, with its duration; "
     "``traceback`` is one line a person can read. While an operation on a volume runs, its "
     "``message`` says at which step it is."),
    ("``GET /servers/{server_id}/nova-lite-storage-trace``", "Ours: Nova has no such resource. "
     "For administrators; see :doc:`/howto/audit`."),
    ("``forceDelete``", "Is the same as a delete: nothing is ever deferred."),
    ("``/os-quota-sets``", "Only quotas that are kept are shown and can be set: instances, cores, "
     "ram, metadata_items, key_pairs."),
    ("``/os-quota-sets``", "Quotas of single users are not kept: ``PUT`` and ``DELETE`` with "
     "``user_id`` are 400, and ``GET`` shows the project's."),
    ("``/os-keypairs``", "x509 is refused."),
    ("``/os-aggregates``", "There are none; the list is empty."),
)  # fmt: skip

ABSENT_RESOURCES = (
    "actions of a server other than {actions}",
    "``/os-server-groups``, ``/os-migrations``",
    "``/servers/{server_id}/``: ``ips``, ``os-interface``, ``os-security-groups``, "
    "``migrations``, ``remote-consoles``, ``diagnostics``, ``topology``, ``os-server-password``",
    "``/os-simple-tenant-usage``, ``/os-console-auth-tokens``, ``/os-assisted-volume-snapshots``",
    "the proxies that Nova dropped at 2.36, and what it has removed",
)
