"""``POST /servers``.

Everything is checked before anything is touched; then the wish is recorded in one
transaction; then volumes are reserved, each with its undo; then the conductor is
woken. When 202 is answered the request is durable.
"""

import collections.abc
import dataclasses
import ipaddress
import re
import secrets
import typing

from oslo_utils import strutils
from oslo_utils import timeutils
from oslo_utils import uuidutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import revert
from nova_lite import states
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import devices
from nova_lite.api.servers import dry_run
from nova_lite.api.servers import metadata
from nova_lite.api.servers import policy
from nova_lite.api.servers import schemas
from nova_lite.api.servers import shapes
from nova_lite.api.servers import views
from nova_lite.blockdev import limits
from nova_lite.db import session
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import flavors
from nova_lite.db.queries import keypairs
from nova_lite.db.queries import nodes
from nova_lite.db.queries import quotas
from nova_lite.db.queries import services
from nova_lite.volume import flow
from nova_lite.volume import removal

Body: typing.TypeAlias = collections.abc.Mapping[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Destination:
    """Where the asker wants the server."""

    availability_zone: str | None
    host: str | None
    node: str | None


@validation.answers({202: shapes.CREATED, 200: shapes.PLANNED})
def create(req: request.Request) -> request.Response:
    """``POST /servers``."""
    req.authorize(policy.CREATE)
    body = req.body(schemas.CREATE)
    wanted = body["server"]
    _refuse_unsupported(req, wanted)
    hints = _hints(body)
    least, most = _counts(wanted)
    destination = _destination(req, wanted)
    flavor = _flavor(req, str(wanted["flavorRef"]))
    keypair = _keypair(req, wanted)
    source = devices.resolve(req, wanted, flavor, count=most)
    destination = _in_zone_of_volumes(req, destination, source)
    if most > 1:
        # More than there is room for are not worth preparing.
        with req.database.api.read() as tx:
            most = _room(tx, req, flavor, least, most)

    wishes = _wishes(req, wanted, flavor, source, destination, hints, most)
    for wish in wishes:
        # A copy: the server keeps its key when the keypair is deleted.
        wish.instance.key_name = keypair.name if keypair else None
        wish.instance.key_data = keypair.public_key if keypair else None
    if dry_run.is_asked_for(req):
        with req.database.api.read() as tx:
            room = _room(tx, req, flavor, least, len(wishes))
        return request.Response(200, {"dry_run": dry_run.plan(req, source, wishes[:room])})
    wishes = _record(req, wishes, flavor, least)
    _reserve(req, wishes)
    password = wanted.get("adminPass") or secrets.token_urlsafe(9)
    req.services.conductor.schedule_and_build_instances(req.ctxt, wishes, admin_password=password)
    return _answer(req, wanted, wishes, password)


def _refuse_unsupported(req: request.Request, wanted: Body) -> None:
    """What is valid in Nova but does not exist here is refused, not ignored."""
    networks = wanted.get("networks")
    if isinstance(networks, list) and networks:
        raise exceptions.InvalidInput(
            "networks: this service has no networking; leave networks out, or use 'auto' or "
            "'none'."
        )
    if networks is not None:
        req.authorize(policy.CREATE_ATTACH_NETWORK)
    if wanted.get("personality"):
        raise exceptions.InvalidInput("personality is not supported; use user_data.")
    if wanted.get("trusted_image_certificates"):
        raise exceptions.InvalidInput("trusted_image_certificates is not supported.")
    if wanted.get("OS-DCF:diskConfig") == "AUTO":
        raise exceptions.InvalidInput("OS-DCF:diskConfig AUTO is not supported; use MANUAL.")
    metadata.check_count(req, req.ctxt.project_id, len(wanted.get("metadata", {})))


def _hints(body: Body) -> Body:
    """The scheduler's hints.

    :raises exceptions.InvalidInput: a server group, which there are none of.
    """
    hints: Body = body.get("os:scheduler_hints") or body.get("OS-SCH-HNT:scheduler_hints") or {}
    if "group" in hints:
        raise exceptions.InvalidInput(
            "os:scheduler_hints: this service has no server groups; leave group out."
        )
    return hints


def _counts(wanted: Body) -> tuple[int, int]:
    """Servers asked for at least and at most."""
    least = int(wanted.get("min_count", 1))
    most = int(wanted.get("max_count", least))
    if min(least, most) < 1:
        raise exceptions.InvalidInput("min_count and max_count must be at least 1")
    if least > most:
        raise exceptions.InvalidInput("min_count must be <= max_count")
    if most > 1 and wanted.get("hostname") is not None:
        raise exceptions.InvalidInput("hostname can only be given for a single server")
    return least, most


def _destination(req: request.Request, wanted: Body) -> Destination:
    """The zone and host asked for; ``zone:host:node`` is the older way.

    :raises exceptions.InvalidInput: no such zone, host or node.
    """
    zone = wanted.get("availability_zone") or None
    host, node = wanted.get("host"), wanted.get("hypervisor_hostname")
    if host or node:
        req.authorize(policy.REQUEST_DESTINATION)
    if zone and ":" in zone:
        parts = [part or None for part in zone.split(":")]
        if len(parts) > 3:
            raise exceptions.InvalidInput("Unable to parse availability_zone: use zone:host:node")
        req.authorize(policy.CREATE_ON_HOST)
        zone, host, node = [*parts, None][:3]
    if zone or host:
        _check_destination(req, zone, host)
    if node:
        _check_node(req, host, node)
    return Destination(zone, host, node)


def _check_destination(req: request.Request, zone: str | None, host: str | None) -> None:
    with req.database.api.read() as tx:
        found = services.list_all(tx, binary=services.COMPUTE_BINARY)
    default = req.conf.api.default_availability_zone
    if zone and zone not in {service.availability_zone or default for service in found}:
        raise exceptions.InvalidInput("The requested availability zone is not available")
    if host and host not in {service.host for service in found}:
        raise exceptions.InvalidInput(f"Compute host {host} could not be found.")


def _check_node(req: request.Request, host: str | None, node: str) -> None:
    with req.database.api.read() as tx:
        found = nodes.list_all(tx, host)
    if node not in {each.hypervisor_hostname for each in found}:
        raise exceptions.InvalidInput(f"Compute host {node} could not be found.")


def _in_zone_of_volumes(
    req: request.Request, destination: Destination, source: devices.BootSource
) -> Destination:
    """The destination in the zone that the volumes bind the server to (B3-11).

    :raises exceptions.InvalidInput: another zone was asked for, or no host is in it.
    """
    if source.zone is None:
        return destination
    if destination.availability_zone is None:
        _check_destination(req, source.zone, None)
        return dataclasses.replace(destination, availability_zone=source.zone)
    if destination.availability_zone != source.zone:
        raise exceptions.InvalidBlockDevice(
            reason=f"the server is asked for in availability zone {destination.availability_zone} "
            f"and its volumes are in {source.zone}; ask for {source.zone}, or give other volumes."
        )
    return destination


def _flavor(req: request.Request, flavor_ref: str) -> objects.Flavor:
    """The flavor; its absence is an error in the body, not in the URL: 400.

    ``flavorRef`` may be the flavor's URL.
    """
    project_id = None if req.ctxt.is_admin else req.ctxt.project_id
    flavor_id = flavor_ref.rsplit("/", 1)[-1]
    try:
        with req.database.api.read() as tx:
            flavor = flavors.get(tx, flavor_id, project_id=project_id)
    except exceptions.FlavorNotFound as error:
        raise exceptions.InvalidInput(error.message) from error
    if flavor.disabled:
        raise exceptions.InvalidInput(f"Flavor {flavor_id} could not be found.")
    return flavor


def _keypair(req: request.Request, wanted: Body) -> keypairs.Keypair | None:
    """The asker's keypair that is named; its absence is an error in the body: 400."""
    name = wanted.get("key_name")
    if name is None:
        return None
    try:
        with req.database.api.read() as tx:
            return keypairs.get(tx, str(req.ctxt.user_id), name)
    except keypairs.KeypairNotFound as error:
        raise exceptions.InvalidInput("Invalid key_name provided.") from error


def _wishes(
    req: request.Request,
    wanted: Body,
    flavor: objects.Flavor,
    source: devices.BootSource,
    destination: Destination,
    hints: Body,
    count: int,
) -> list[objects.BuildRequest]:
    """What is to be built: one build request a server."""
    reservation_id = f"r-{secrets.token_hex(4)}"
    wishes = []
    for index in range(count):
        instance = _instance(req, wanted, flavor, source, destination, index, count)
        instance.reservation_id = reservation_id
        if hints:
            instance.system_metadata["scheduler_hints"] = hints
        own_devices = [_copy(device, instance.uuid) for device in source.devices]
        spec = objects.RequestSpec(
            instance_uuid=instance.uuid,
            project_id=instance.project_id,
            user_id=instance.user_id,
            flavor=flavor,
            image=source.image,
            vcpus=flavor.vcpus,
            memory_mib=flavor.memory_mib,
            disk_gib=limits.local_disk_gib(own_devices, flavor),
            availability_zone=destination.availability_zone,
            force_host=destination.host,
            force_node=destination.node,
            scheduler_hints=dict(hints),
        )
        wishes.append(
            objects.BuildRequest(
                instance_uuid=instance.uuid,
                operation_id=uuidutils.generate_uuid(),
                instance=instance,
                block_devices=objects.BlockDeviceMappingList(objects=own_devices),
                request_spec=spec,
            )
        )
    return wishes


def _instance(
    req: request.Request,
    wanted: Body,
    flavor: objects.Flavor,
    source: devices.BootSource,
    destination: Destination,
    index: int,
    count: int,
) -> objects.Instance:
    uuid = uuidutils.generate_uuid()
    name = wanted["name"].strip()
    if count > 1:
        name = f"{name}-{index + 1}"
        if len(name) > validation.NAME_LENGTH:
            raise exceptions.InvalidInput(
                f"The name is too long for several servers, which are numbered: {name!r} has "
                f"more than {validation.NAME_LENGTH} characters."
            )
    system_metadata: dict[str, typing.Any] = {"image_properties": _shown_properties(source.image)}
    # Who made a server is told by its images.
    system_metadata["owner"] = {
        "owner_user_name": req.ctxt.user_name,
        "owner_project_name": req.ctxt.project_name,
        "boot_roles": ",".join(req.ctxt.roles),
    }
    if destination.availability_zone:
        system_metadata["pinned_zone"] = destination.availability_zone
    return objects.Instance(
        uuid=uuid,
        project_id=req.ctxt.project_id,
        user_id=req.ctxt.user_id,
        launch_index=index,
        display_name=name,
        display_description=_description(req, wanted, name),
        hostname=wanted.get("hostname") or _hostname(name, uuid),
        image_ref=source.image_ref,
        flavor=flavor,
        vm_state=states.VmState.BUILDING.value,
        task_state=states.TaskState.SCHEDULING.value,
        availability_zone=destination.availability_zone,
        config_drive=_flag(wanted.get("config_drive")),
        user_data=wanted.get("user_data"),
        access_ip_v4=wanted.get("accessIPv4") or None,
        access_ip_v6=wanted.get("accessIPv6") or None,
        metadata=dict(wanted.get("metadata", {})),
        system_metadata=system_metadata,
        tags=list(dict.fromkeys(wanted.get("tags", []))),
        created_at=timeutils.utcnow(),
    )


def _shown_properties(image: objects.ImageMeta) -> dict[str, typing.Any]:
    """Image properties that 2.98 shows: small and of the image itself."""
    return {
        key: value
        for key, value in image.properties.items()
        if isinstance(value, str) and len(value) <= 255
    }


def _description(req: request.Request, wanted: Body, name: str) -> str | None:
    # Before there were descriptions the name served as one.
    if req.version < microversion.SERVER_DESCRIPTION:
        return name
    return wanted.get("description")


def _hostname(name: str, uuid: str) -> str:
    """A valid host name from a display name, or one made of the uuid."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        text = re.sub(r"[ _.]", "-", name.lower())
        text = re.sub(r"[^a-z0-9-]", "", text).strip("-")[:63]
        return text or f"server-{uuid}"
    return f"server-{uuid}"


def _flag(value: object) -> bool:
    return bool(strutils.bool_from_string(value, strict=True)) if value else False


def _copy(device: objects.BlockDeviceMapping, instance_uuid: str) -> objects.BlockDeviceMapping:
    """A device of one server: two never share an id (S151)."""
    own = device.obj_clone()
    own.uuid = uuidutils.generate_uuid()
    own.instance_uuid = instance_uuid
    return own


def _record(
    req: request.Request,
    wishes: list[objects.BuildRequest],
    flavor: objects.Flavor,
    least: int,
) -> list[objects.BuildRequest]:
    """Write the wishes, or as many as quota leaves room for, but not fewer than
    ``least``.

    :raises exceptions.QuotaExceeded: not even those.
    """
    return req.database.api.transact(_record_in, req, wishes, flavor, least)


def _record_in(
    tx: session.Connection,
    req: request.Request,
    wishes: list[objects.BuildRequest],
    flavor: objects.Flavor,
    least: int,
) -> list[objects.BuildRequest]:
    quotas.lock(tx, req.ctxt.project_id)
    accepted = wishes[: _room(tx, req, flavor, least, len(wishes))]
    owner = build_requests.API_OWNER if _to_reserve(accepted) else None
    build_requests.create(tx, req.ctxt, accepted, owner=owner)
    return accepted


def _room(
    tx: session.Connection,
    req: request.Request,
    flavor: objects.Flavor,
    least: int,
    most: int,
) -> int:
    """How many servers, ``most`` at most, quota leaves room for.

    :raises exceptions.QuotaExceeded: fewer than ``least``.
    """
    return quotas.room_for(
        tx,
        req.conf,
        req.ctxt.project_id,
        each=quotas.Amount(1, flavor.vcpus, flavor.memory_mib),
        least=least,
        most=most,
    )


def _to_reserve(wishes: list[objects.BuildRequest]) -> list[objects.BlockDeviceMapping]:
    return [
        device
        for wish in wishes
        for device in wish.block_devices.objects
        if device.source_type == "volume"
    ]


def _reserve(req: request.Request, wishes: list[objects.BuildRequest]) -> None:
    """Reserve every existing volume; on any failure nothing is left behind, but for what
    the reaper sees to.

    :raises exceptions.Conflict: a server was deleted meanwhile, or the reaper took us for
        dead.
    :raises exceptions.NovaLiteError: Cinder refuses one.
    """
    volumes = _to_reserve(wishes)
    if not volumes:
        return
    cinder = req.services.cinder
    with revert.Reverter("reserve the volumes of a new server") as undo:
        undo.add("forget the requests", _forget, req, wishes, undo)
        for number, device in enumerate(volumes):
            if number > 0:
                # Storage may be slow, and the reaper takes who is silent for dead.
                with req.database.api.read() as tx:
                    build_requests.renew(tx, wishes)
            # First: when the answer to a reservation is lost, the release finds it.
            undo.add(
                "release the volume", removal.release, req.ctxt, cinder, device, None, keep=True
            )
            way = flow.flow_for(req.ctxt, device, cinder)
            way.reserve(req.ctxt, device.instance_uuid, device)
        req.database.api.transact(build_requests.set_ready, wishes)
        undo.commit()


def _forget(
    req: request.Request, wishes: list[objects.BuildRequest], undo: revert.Reverter
) -> None:
    """The last undo step. What the others could not release is the reaper's, who needs
    the requests for it."""
    if undo.failures:
        req.database.api.transact(build_requests.set_failed, wishes)
        return
    for wish in wishes:
        req.database.api.transact(build_requests.delete, wish.instance_uuid)


def _answer(
    req: request.Request, wanted: Body, wishes: list[objects.BuildRequest], password: str
) -> request.Response:
    first = wishes[0].instance
    if _flag(wanted.get("return_reservation_id")):
        return request.Response(202, {"reservation_id": first.reservation_id})
    shown = password if req.conf.api.enable_instance_password else None
    return request.Response(
        202,
        {"server": views.created(req, first.uuid, shown)},
        {"Location": req.url("servers", first.uuid)},
    )
