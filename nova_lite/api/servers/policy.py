"""Rules of servers, their metadata, tags and actions."""

from nova_lite.api import policy

INDEX = "servers:index"
DETAIL = "servers:detail"
INDEX_ALL = "servers:index:get_all_tenants"
DETAIL_ALL = "servers:detail:get_all_tenants"
ALL_FILTERS = "servers:allow_all_filters"
SHOW = "servers:show"
SHOW_HOST_STATUS = "servers:show:host_status"
SHOW_FAULT_DETAILS = "servers:show:fault_details"
CREATE = "servers:create"
CREATE_ON_HOST = "servers:create:forced_host"
REQUEST_DESTINATION = "compute:servers:create:requested_destination"
CREATE_ATTACH_VOLUME = "servers:create:attach_volume"
CREATE_ATTACH_NETWORK = "servers:create:attach_network"
ZERO_DISK = "servers:create:zero_disk_flavor"
CREATE_IMAGE = "servers:create_image"
CREATE_IMAGE_OF_VOLUMES = "servers:create_image:allow_volume_backed"
UPDATE = "servers:update"
DELETE = "servers:delete"
FORCE_DELETE = "os-deferred-delete:force"
EXTENDED_ATTRIBUTES = "os-extended-server-attributes"
CONSOLE_OUTPUT = "os-console-output"
STOP = "servers:stop"
START = "servers:start"
LOCK = "os-lock-server:lock"
UNLOCK = "os-lock-server:unlock"
UNLOCK_OVERRIDE = "os-lock-server:unlock:unlock_override"
METADATA_INDEX = "server-metadata:index"
METADATA_SHOW = "server-metadata:show"
METADATA_CREATE = "server-metadata:create"
METADATA_UPDATE = "server-metadata:update"
METADATA_REPLACE = "server-metadata:update_all"
METADATA_DELETE = "server-metadata:delete"
TAGS_INDEX = "os-server-tags:index"
TAGS_SHOW = "os-server-tags:show"
TAGS_UPDATE = "os-server-tags:update"
TAGS_REPLACE = "os-server-tags:update_all"
TAGS_DELETE = "os-server-tags:delete"
TAGS_DELETE_ALL = "os-server-tags:delete_all"

_ONE = "/servers/{server_id}"
_ACTION = f"POST {_ONE}/action"
_METADATA = f"{_ONE}/metadata"
_TAGS = f"{_ONE}/tags"

RULES = [
    policy.rule(INDEX, policy.READER, "List servers", "GET /servers"),
    policy.rule(DETAIL, policy.READER, "List servers in full", "GET /servers/detail"),
    policy.rule(INDEX_ALL, policy.ADMIN, "List servers of all projects", "GET /servers"),
    policy.rule(
        DETAIL_ALL, policy.ADMIN, "List servers of all projects in full", "GET /servers/detail"
    ),
    policy.rule(
        ALL_FILTERS,
        policy.ADMIN,
        "Filter servers by what only administrators see",
        "GET /servers",
        "GET /servers/detail",
    ),
    policy.rule(SHOW, policy.READER, "Show a server", f"GET {_ONE}"),
    policy.rule(
        SHOW_HOST_STATUS, policy.ADMIN, "Show whether a server's host is up", f"GET {_ONE}"
    ),
    policy.rule(SHOW_FAULT_DETAILS, policy.ADMIN, "Show the details of a fault", f"GET {_ONE}"),
    policy.rule(CREATE, policy.MEMBER, "Create a server", "POST /servers"),
    policy.rule(CREATE_ON_HOST, policy.ADMIN, "Create a server on a named host", "POST /servers"),
    policy.rule(
        REQUEST_DESTINATION,
        policy.ADMIN,
        "Create a server on a named host or hypervisor that the scheduler agrees to",
        "POST /servers",
    ),
    policy.rule(
        CREATE_ATTACH_VOLUME, policy.MEMBER, "Create a server with block devices", "POST /servers"
    ),
    policy.rule(
        CREATE_ATTACH_NETWORK, policy.MEMBER, "Create a server with networks", "POST /servers"
    ),
    policy.rule(
        ZERO_DISK,
        policy.ADMIN,
        "Create a server from an image with a flavor that limits no disk",
        "POST /servers",
    ),
    policy.rule(UPDATE, policy.MEMBER, "Rename or describe a server", f"PUT {_ONE}"),
    policy.rule(DELETE, policy.MEMBER, "Delete a server", f"DELETE {_ONE}"),
    policy.rule(
        FORCE_DELETE, policy.MEMBER, "Delete a server at once", f"{_ACTION} (forceDelete)"
    ),
    policy.rule(
        EXTENDED_ATTRIBUTES,
        policy.ADMIN,
        "See where a server is and how it is named there",
        f"GET {_ONE}",
        "GET /servers/detail",
    ),
    policy.rule(
        CONSOLE_OUTPUT,
        policy.MEMBER,
        "Read a server's console",
        f"{_ACTION} (os-getConsoleOutput)",
    ),
    policy.rule(
        CREATE_IMAGE, policy.MEMBER, "Make an image of a server", f"{_ACTION} (createImage)"
    ),
    policy.rule(
        CREATE_IMAGE_OF_VOLUMES,
        policy.MEMBER,
        "Make an image of a server that boots from a volume",
        f"{_ACTION} (createImage)",
    ),
    policy.rule(STOP, policy.MEMBER, "Stop a server", f"{_ACTION} (os-stop)"),
    policy.rule(START, policy.MEMBER, "Start a server", f"{_ACTION} (os-start)"),
    policy.rule(LOCK, policy.MEMBER, "Lock a server", f"{_ACTION} (lock)"),
    policy.rule(UNLOCK, policy.MEMBER, "Unlock a server", f"{_ACTION} (unlock)"),
    policy.rule(
        UNLOCK_OVERRIDE,
        policy.ADMIN,
        "Unlock a server that an administrator locked, or change a locked one",
        f"{_ACTION} (unlock)",
    ),
    policy.rule(METADATA_INDEX, policy.READER, "List metadata", f"GET {_METADATA}"),
    policy.rule(METADATA_SHOW, policy.READER, "Show a metadata item", f"GET {_METADATA}/{{key}}"),
    policy.rule(METADATA_CREATE, policy.MEMBER, "Add metadata", f"POST {_METADATA}"),
    policy.rule(METADATA_REPLACE, policy.MEMBER, "Replace metadata", f"PUT {_METADATA}"),
    policy.rule(METADATA_UPDATE, policy.MEMBER, "Set a metadata item", f"PUT {_METADATA}/{{key}}"),
    policy.rule(
        METADATA_DELETE, policy.MEMBER, "Remove a metadata item", f"DELETE {_METADATA}/{{key}}"
    ),
    policy.rule(TAGS_INDEX, policy.READER, "List tags", f"GET {_TAGS}"),
    policy.rule(TAGS_SHOW, policy.READER, "Ask for a tag", f"GET {_TAGS}/{{tag}}"),
    policy.rule(TAGS_UPDATE, policy.MEMBER, "Add a tag", f"PUT {_TAGS}/{{tag}}"),
    policy.rule(TAGS_REPLACE, policy.MEMBER, "Replace tags", f"PUT {_TAGS}"),
    policy.rule(TAGS_DELETE, policy.MEMBER, "Remove a tag", f"DELETE {_TAGS}/{{tag}}"),
    policy.rule(TAGS_DELETE_ALL, policy.MEMBER, "Remove all tags", f"DELETE {_TAGS}"),
]
