"""What ``POST /servers`` would do, without doing any of it.

Asked for by the header ``X-Nova-Lite-Dry-Run: true``, which other clouds ignore.
The request passes the same checks as a real one, so what the plan accepts a create
accepts too, unless the world changes in between.
"""

import typing

from oslo_utils import strutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import request
from nova_lite.api.servers import devices
from nova_lite.api.servers import dry_run_calls
from nova_lite.api.servers import dry_run_data
from nova_lite.blockdev import naming

HEADER = "X-Nova-Lite-Dry-Run"

Plan: typing.TypeAlias = dict[str, typing.Any]


def is_asked_for(req: request.Request) -> bool:
    """Whether the request is for a plan only.

    :raises nova_lite.exceptions.InvalidInput: the header is not a boolean.
    """
    value = req.http.get_header(HEADER)
    if value is None:
        return False
    try:
        return bool(strutils.bool_from_string(value, strict=True))
    except ValueError as error:
        raise exceptions.InvalidInput(
            f"header {HEADER}: {value!r} is not a boolean; use true or false"
        ) from error


def plan(
    req: request.Request, source: devices.BootSource, wishes: list[objects.BuildRequest]
) -> Plan:
    """The plan of a request that has passed every check.

    :param wishes: what would be built, as much of it as quota allows.
    """
    first = wishes[0]
    own = [device.obj_clone() for device in first.block_devices.objects]
    spec = first.request_spec
    naming.assign(own, spec.image.properties)
    zone = None if req.conf.cinder.cross_az_attach else spec.availability_zone
    return {
        "servers": len(wishes),
        "charged": {
            "instances": len(wishes),
            "cores": spec.vcpus * len(wishes),
            "ram_mib": spec.memory_mib * len(wishes),
            "host_disk_gib": spec.disk_gib * len(wishes),
            "new_volumes_gib": sum(_new_volume_gib(device) for device in own) * len(wishes),
        },
        "devices": [
            _device(req, device, source, spec)
            | {
                "disk_bus": device.disk_bus,
                "cinder_calls": dry_run_calls.of(device, zone),
            }
            for device in naming.in_order(own)
        ],
        "hosts": _hosts(req, spec),
    }


def _new_volume_gib(device: objects.BlockDeviceMapping) -> int:
    if not device.is_volume or device.source_type == "volume":
        return 0
    return int(device.volume_size or 0)


def _device(
    req: request.Request,
    device: objects.BlockDeviceMapping,
    source: devices.BootSource,
    spec: objects.RequestSpec,
) -> Plan:
    size = device.volume_size
    if device.is_root and not device.is_volume:
        size = spec.flavor.root_gib
    data, why = dry_run_data.origin_of(req, device, source)
    # A local disk is the server's own: it never outlives it.
    is_kept = device.is_volume and not device.delete_on_termination
    return {
        "device_name": device.device_name,
        "boot_index": device.boot_index,
        "source_type": device.source_type,
        "destination_type": device.destination_type,
        "size_mib" if device.is_swap else "size_gib": size,
        "tag": device.tag,
        "data": data,
        "why": why,
        "on_delete": "kept" if is_kept else "destroyed",
    }


def _hosts(req: request.Request, spec: objects.RequestSpec) -> Plan:
    """Which hosts would do and why the others not: names for administrators,
    counts for everybody else."""
    try:
        verdicts = req.services.scheduler.explain_destinations(req.ctxt, spec)
    except exceptions.RemoteServiceError:
        # A create would be accepted now too, and wait for it.
        return {"unknown": "no scheduler answered"}
    suitable = [verdict.host for verdict in verdicts if verdict.rule is None]
    refused = [verdict for verdict in verdicts if verdict.rule is not None]
    counts: dict[str, int] = {}
    for verdict in refused:
        counts[verdict.rule] = counts.get(verdict.rule, 0) + 1
    answer: Plan = {"suitable": len(suitable), "refused": counts}
    if req.ctxt.is_admin:
        answer["suitable_hosts"] = suitable
        answer["refused_hosts"] = [
            {"host": verdict.host, "rule": verdict.rule, "reason": verdict.reason}
            for verdict in refused
        ]
    return answer
