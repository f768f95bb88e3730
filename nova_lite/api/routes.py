"""Every URL of the API and who answers it, on one screen."""

import typing

from nova_lite.api import request
from nova_lite.api.aggregates import handlers as aggregates
from nova_lite.api.availability_zones import handlers as availability_zones
from nova_lite.api.flavors import access as flavor_access
from nova_lite.api.flavors import extra_specs
from nova_lite.api.flavors import handlers as flavors
from nova_lite.api.hypervisors import handlers as hypervisors
from nova_lite.api.instance_actions import handlers as instance_actions
from nova_lite.api.keypairs import handlers as keypairs
from nova_lite.api.limits import handlers as limits
from nova_lite.api.quota_sets import handlers as quota_sets
from nova_lite.api.server_external_events import handlers as server_external_events
from nova_lite.api.servers import actions
from nova_lite.api.servers import create
from nova_lite.api.servers import handlers as servers
from nova_lite.api.servers import metadata
from nova_lite.api.servers import tags
from nova_lite.api.services import handlers as services
from nova_lite.api.storage_trace import handlers as storage_trace
from nova_lite.api.versions import handlers as versions
from nova_lite.api.volume_attachments import attach
from nova_lite.api.volume_attachments import detach
from nova_lite.api.volume_attachments import handlers as volume_attachments

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
    "/servers/{server_id}/os-volume_attachments": {
        "GET": volume_attachments.index,
        "POST": attach.create,
    },
    "/servers/{server_id}/os-volume_attachments/{volume_id}": {
        "GET": volume_attachments.show,
        "PUT": volume_attachments.update,
        "DELETE": detach.delete,
    },
    "/servers/{server_id}/os-instance-actions": {"GET": instance_actions.index},
    "/servers/{server_id}/os-instance-actions/{request_id}": {"GET": instance_actions.show},
    "/os-server-external-events": {"POST": server_external_events.create},
    # Ours: Nova has no such resource.
    "/servers/{server_id}/nova-lite-storage-trace": {"GET": storage_trace.show},
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
    "/os-services": {"GET": services.index},
    "/os-services/{service_id}": {"PUT": services.update, "DELETE": services.delete},
    "/os-hypervisors": {"GET": hypervisors.index},
    "/os-hypervisors/detail": {"GET": hypervisors.detail},
    "/os-hypervisors/statistics": {"GET": hypervisors.statistics},
    "/os-hypervisors/{hypervisor_id}": {"GET": hypervisors.show},
    "/os-hypervisors/{hypervisor_id}/search": {"GET": hypervisors.search},
    "/os-hypervisors/{hypervisor_id}/servers": {"GET": hypervisors.servers},
    "/os-aggregates": {"GET": aggregates.index},
    "/os-availability-zone": {"GET": availability_zones.index},
    "/os-availability-zone/detail": {"GET": availability_zones.detail},
    "/os-quota-sets/{project_id}": {
        "GET": quota_sets.show,
        "PUT": quota_sets.update,
        "DELETE": quota_sets.delete,
    },
    "/os-quota-sets/{project_id}/defaults": {"GET": quota_sets.defaults},
    "/os-quota-sets/{project_id}/detail": {"GET": quota_sets.detail},
    "/limits": {"GET": limits.show},
    "/os-keypairs": {"GET": keypairs.index, "POST": keypairs.create},
    "/os-keypairs/{keypair_name}": {"GET": keypairs.show, "DELETE": keypairs.delete},
}
