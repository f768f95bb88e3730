"""Every URL of the API and who answers it, on one screen."""

import typing

from nova_lite.api import request
from nova_lite.api.flavors import access as flavor_access
from nova_lite.api.flavors import extra_specs
from nova_lite.api.flavors import handlers as flavors
from nova_lite.api.servers import actions
from nova_lite.api.servers import create
from nova_lite.api.servers import handlers as servers
from nova_lite.api.servers import metadata
from nova_lite.api.servers import tags
from nova_lite.api.versions import handlers as versions

Methods: typing.TypeAlias = dict[str, request.Handler]

# Handlers here get the service's root URL: there is no context without a token.
VERSION_DOCUMENTS: dict[str, Methods] = {
    "/": {"GET": versions.index},
    "/v2.1": {"GET": versions.show},
}

# Below /v2.1, with or without a project id in between.
ROUTES: dict[str, Methods] = {
    "/servers": {"GET": servers.index, "POST": create.create},
    "/servers/detail": {"GET": servers.detail},
    "/servers/{server_id}": {
        "GET": servers.show,
        "PUT": servers.update,
        "DELETE": servers.delete,
    },
    "/servers/{server_id}/action": {"POST": actions.action},
    "/servers/{server_id}/metadata": {
        "GET": metadata.index,
        "POST": metadata.create,
        "PUT": metadata.replace,
    },
    "/servers/{server_id}/metadata/{key}": {
        "GET": metadata.show,
        "PUT": metadata.update,
        "DELETE": metadata.delete,
    },
    "/servers/{server_id}/tags": {
        "GET": tags.index,
        "PUT": tags.replace,
        "DELETE": tags.delete_all,
    },
    "/servers/{server_id}/tags/{tag}": {
        "GET": tags.show,
        "PUT": tags.update,
        "DELETE": tags.delete,
    },
    "/flavors": {"GET": flavors.index, "POST": flavors.create},
    "/flavors/detail": {"GET": flavors.detail},
    "/flavors/{flavor_id}": {
        "GET": flavors.show,
        "PUT": flavors.update,
        "DELETE": flavors.delete,
    },
    "/flavors/{flavor_id}/action": {"POST": flavor_access.action},
    "/flavors/{flavor_id}/os-flavor-access": {"GET": flavor_access.index},
    "/flavors/{flavor_id}/os-extra_specs": {
        "GET": extra_specs.index,
        "POST": extra_specs.create,
    },
    "/flavors/{flavor_id}/os-extra_specs/{key}": {
        "GET": extra_specs.show,
        "PUT": extra_specs.update,
        "DELETE": extra_specs.delete,
    },
}
