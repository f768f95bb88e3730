"""How a server looks to a client, version by version.

What policy and version allow is found once a request (:class:`Shown`); the view of
one server then only copies values.
"""

import dataclasses
import hashlib
import typing

from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import timestamps
from nova_lite.api.flavors import policy as flavor_policy
from nova_lite.api.servers import policy
from nova_lite.api.servers import status
from nova_lite.db.queries import listing

View: typing.TypeAlias = dict[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Shown:
    """What this request may see beyond the ordinary."""

    extended_attributes: bool
    host_status: bool
    fault_details: bool
    flavor_extra_specs: bool

    @classmethod
    def to(cls, req: request.Request) -> "Shown":
        """By policy and version of a request."""
        return cls(
            extended_attributes=req.can(policy.EXTENDED_ATTRIBUTES),
            host_status=req.version >= microversion.HOST_STATUS
            and req.can(policy.SHOW_HOST_STATUS),
            fault_details=req.can(policy.SHOW_FAULT_DETAILS),
            flavor_extra_specs=req.version >= microversion.EMBEDDED_FLAVOR
            and req.can(flavor_policy.SPECS_INDEX),
        )


def brief(req: request.Request, server: listing.Server) -> View:
    """An item of ``GET /servers``."""
    return {
        "id": server.uuid,
        "name": server.display_name,
        "links": req.links("servers", server.uuid),
    }


def created(req: request.Request, uuid: str, admin_password: str | None) -> View:
    """The answer to ``POST /servers``."""
    view: View = {
        "id": uuid,
        "links": req.links("servers", uuid),
        "OS-DCF:diskConfig": "MANUAL",
        "security_groups": [{"name": "default"}],
    }
    if admin_password is not None:
        view["adminPass"] = admin_password
    return view


def plain(req: request.Request, server: listing.Server, shown: Shown) -> View:
    """What every answer about one server has, also that of an update."""
    current = status.of(server.vm_state, server.task_state)
    view: View = {
        "id": server.uuid,
        "name": server.display_name,
        "status": current,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": host_id(server.project_id, server.host),
        "image": _image(req, server),
        "flavor": _flavor(req, server, shown),
        "created": timestamps.iso(server.created_at),
        "updated": timestamps.iso(server.updated_at or server.created_at),
        # No networking yet: there is nothing to show, and nothing is shown.
        "addresses": {},
        "accessIPv4": server.access_ip_v4 or "",
        "accessIPv6": server.access_ip_v6 or "",
        "links": req.links("servers", server.uuid),
        "OS-DCF:diskConfig": "MANUAL",
    }
    if current in status.WITH_PROGRESS:
        view["progress"] = 0
    if current in status.WITH_FAULT and server.fault is not None:
        view["fault"] = _fault(server.fault, shown)
    return view | _later(req, server)


def _later(req: request.Request, server: listing.Server) -> View:
    """What came with later versions, in their order."""
    view: View = {}
    if req.version >= microversion.LOCKED_SHOWN:
        view["locked"] = server.locked
    if req.version >= microversion.SERVER_DESCRIPTION:
        view["description"] = server.display_description
    if req.version >= microversion.SERVER_TAGS:
        view["tags"] = server.tags
    if req.version >= microversion.TRUSTED_CERTIFICATES:
        view["trusted_image_certificates"] = None
    if req.version >= microversion.LOCKED_REASON:
        view["locked_reason"] = server.system_metadata.get("locked_reason")
    if req.version >= microversion.HOSTNAME:
        view["OS-EXT-SRV-ATTR:hostname"] = server.hostname
    if req.version >= microversion.PINNED_ZONE:
        view["pinned_availability_zone"] = server.system_metadata.get("pinned_zone")
    return view


def alone(req: request.Request, view: View) -> View:
    """``view`` with what lists leave out."""
    if req.version >= microversion.SERVER_GROUPS_SHOWN:
        view["server_groups"] = []
    return view


def full(
    req: request.Request, server: listing.Server, shown: Shown, *, host_status: str = ""
) -> View:
    """A server in ``GET /servers/{id}`` (there :func:`alone`) and ``GET /servers/detail``.

    :param host_status: UP, DOWN, MAINTENANCE, UNKNOWN or empty without a host.
    """
    view = plain(req, server, shown)
    view |= {
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-EXT-AZ:availability_zone": server.availability_zone
        or (req.conf.api.default_availability_zone if server.host else ""),
        "OS-SRV-USG:launched_at": timestamps.precise(server.launched_at),
        "OS-SRV-USG:terminated_at": timestamps.precise(server.terminated_at),
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": _volumes(req, server),
    }
    if shown.extended_attributes:
        view |= _extended_attributes(req, server)
    if shown.host_status:
        view["host_status"] = host_status
    if req.version >= microversion.SCHEDULER_HINTS_SHOWN:
        view["scheduler_hints"] = server.system_metadata.get("scheduler_hints", {})
    return view


def host_id(project_id: str | None, host: str | None) -> str:
    """The host's name as others than administrators may know it."""
    if not host:
        return ""
    return hashlib.sha224(f"{project_id or ''}{host}".encode()).hexdigest()


def _image(req: request.Request, server: listing.Server) -> View | str:
    if not server.image_ref:
        return ""
    href = req.url("images", server.image_ref, version=False)
    view: View = {"id": server.image_ref, "links": [{"rel": "bookmark", "href": href}]}
    if req.version >= microversion.IMAGE_PROPERTIES_SHOWN:
        view["properties"] = server.system_metadata.get("image_properties", {})
    return view


def _flavor(req: request.Request, server: listing.Server, shown: Shown) -> View:
    flavor = server.flavor
    if req.version < microversion.EMBEDDED_FLAVOR:
        href = req.url("flavors", flavor["flavorid"], version=False)
        return {"id": flavor["flavorid"], "links": [{"rel": "bookmark", "href": href}]}
    view: View = {
        "vcpus": flavor["vcpus"],
        "ram": flavor["memory_mib"],
        "disk": flavor["root_gib"],
        "ephemeral": flavor["ephemeral_gib"],
        "swap": flavor["swap_mib"],
        "original_name": flavor["name"],
    }
    if shown.flavor_extra_specs:
        view["extra_specs"] = flavor["extra_specs"]
    return view


def _fault(fault: listing.Fault, shown: Shown) -> View:
    view: View = {
        "code": fault.code,
        "created": timestamps.iso(fault.created_at),
        "message": fault.message,
    }
    if fault.details and (shown.fault_details or fault.code != 500):
        view["details"] = fault.details
    return view


def _volumes(req: request.Request, server: listing.Server) -> list[View]:
    if req.version < microversion.EXTENDED_SERVER_ATTRIBUTES:
        return [{"id": volume.volume_id} for volume in server.volumes]
    return [
        {"id": volume.volume_id, "delete_on_termination": volume.delete_on_termination}
        for volume in server.volumes
    ]


def _extended_attributes(req: request.Request, server: listing.Server) -> View:
    prefix = "OS-EXT-SRV-ATTR:"
    view: View = {
        f"{prefix}host": server.host,
        f"{prefix}hypervisor_hostname": server.node,
        f"{prefix}instance_name": f"instance-{server.uuid}",
    }
    if req.version >= microversion.EXTENDED_SERVER_ATTRIBUTES:
        view |= {
            f"{prefix}reservation_id": server.reservation_id,
            f"{prefix}launch_index": server.launch_index,
            f"{prefix}hostname": server.hostname,
            f"{prefix}kernel_id": "",
            f"{prefix}ramdisk_id": "",
            f"{prefix}root_device_name": server.root_device_name,
            f"{prefix}user_data": server.user_data,
        }
    return view
