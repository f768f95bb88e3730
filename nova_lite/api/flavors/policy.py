"""Rules of flavors, their extra specs and their access lists."""

from nova_lite.api import policy

CREATE = "os-flavor-manage:create"
UPDATE = "os-flavor-manage:update"
DELETE = "os-flavor-manage:delete"
SPECS_SHOW = "os-flavor-extra-specs:show"
SPECS_INDEX = "os-flavor-extra-specs:index"
SPECS_CREATE = "os-flavor-extra-specs:create"
SPECS_UPDATE = "os-flavor-extra-specs:update"
SPECS_DELETE = "os-flavor-extra-specs:delete"
ACCESS_INDEX = "os-flavor-access"
ACCESS_ADD = "os-flavor-access:add_tenant_access"
ACCESS_REMOVE = "os-flavor-access:remove_tenant_access"

_SPECS = "/flavors/{flavor_id}/os-extra_specs"

RULES = [
    policy.rule(CREATE, policy.ADMIN, "Create a flavor", "POST /flavors"),
    policy.rule(UPDATE, policy.ADMIN, "Describe a flavor", "PUT /flavors/{flavor_id}"),
    policy.rule(DELETE, policy.ADMIN, "Delete a flavor", "DELETE /flavors/{flavor_id}"),
    policy.rule(
        SPECS_INDEX,
        policy.ANYBODY,
        "List extra specs, also within flavors",
        f"GET {_SPECS}",
        "GET /flavors/detail",
    ),
    policy.rule(SPECS_SHOW, policy.ANYBODY, "Show an extra spec", f"GET {_SPECS}/{{key}}"),
    policy.rule(SPECS_CREATE, policy.ADMIN, "Add extra specs", f"POST {_SPECS}"),
    policy.rule(SPECS_UPDATE, policy.ADMIN, "Change an extra spec", f"PUT {_SPECS}/{{key}}"),
    policy.rule(SPECS_DELETE, policy.ADMIN, "Remove an extra spec", f"DELETE {_SPECS}/{{key}}"),
    policy.rule(
        ACCESS_INDEX,
        policy.ADMIN,
        "List the projects that may use a private flavor",
        "GET /flavors/{flavor_id}/os-flavor-access",
    ),
    policy.rule(
        ACCESS_ADD,
        policy.ADMIN,
        "Give a private flavor to a project",
        "POST /flavors/{flavor_id}/action (addTenantAccess)",
    ),
    policy.rule(
        ACCESS_REMOVE,
        policy.ADMIN,
        "Take a private flavor from a project",
        "POST /flavors/{flavor_id}/action (removeTenantAccess)",
    ),
]
