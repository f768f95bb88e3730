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
            reason=f"header {HEADER}: {value!r} is not a boolean; use true or false"
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
    return {
        "servers": len(wishes),
        "charged": {
            "instances": len(wishes),
            "cores": spec.vcpus * len(wishes),
            "ram_mib": spec.memory_mib * len(wishes),
            "host_disk_gib": spec.disk_gib * len(wishes),
            "new_volumes_gib": sum(_new_volume_gib(device) for device in own) * len(wishes),
        },
        "devices": [_device(device, source, spec) for device in naming.in_order(own)],
        "hosts": _hosts(req, spec),
    }


def _new_volume_gib(device: objects.BlockDeviceMapping) -> int:
    if not device.is_volume or device.source_type == "volume":
        return 0
    return int(device.volume_size or 0)


def _device(
    device: objects.BlockDeviceMapping,
    source: devices.BootSource,
    spec: objects.RequestSpec,
) -> Plan:
    size = device.volume_size
    if device.is_root and not device.is_volume:
        size = spec.flavor.root_gib
    origin, why = _origin(device, source)
    return {
        "device_name": device.device_name,
        "boot_index": device.boot_index,
        "source_type": device.source_type,
        "destination_type": device.destination_type,
        "size_mib" if device.is_swap else "size_gib": size,
        "tag": device.tag,
        "data": origin,
        "why": why,
        "cinder_calls": _cinder_calls(device),
        "on_delete": "destroyed" if device.delete_on_termination else "kept",
    }


def _origin(device: objects.BlockDeviceMapping, source: devices.BootSource) -> tuple[str, str]:
    """Where a device's first bytes come from, and why that way."""
    if device.source_type == "blank":
        kind = "swap" if device.is_swap else device.guest_format or "no"
        return "blank", f"an empty disk with {kind} signature" if not device.is_volume else "empty"
    if device.source_type == "volume":
        return "in place", "the volume exists"
    if device.is_volume:
        return "by Cinder", f"Cinder makes a volume from the {device.source_type}; no host copies"
    disk_format = source.image.disk_format
    if disk_format == "raw":
        return "download", "once a host, and then shared as a base image; its format is raw"
    return "download and convert", f"once a host; its format is {disk_format}, and bases are raw"


def _cinder_calls(device: objects.BlockDeviceMapping) -> list[Plan]:
    """The calls a device would send to Cinder, in order, without what only the
    host or Cinder's answers will tell."""
    if not device.is_volume:
        return []
    attach = [
        {
            "call": "POST /attachments",
            "body": {"volume_uuid": device.volume_id or "(the new one)"},
        },
        {"call": "PUT /attachments/{id}", "body": {"connector": "(of the host)"}},
        {"call": "POST /attachments/{id}/action", "body": {"os-complete": None}},
    ]
    if device.source_type == "volume":
        return attach
    body: Plan = {"size": device.volume_size}
    if device.source_type == "image":
        body["imageRef"] = device.image_id
    elif device.source_type == "snapshot":
        body["snapshot_id"] = device.snapshot_id
    else:
        body["name"] = "(uuid of the server)-blank-vol"
    if device.volume_type:
        body["volume_type"] = device.volume_type
    return [{"call": "POST /volumes", "body": body}, *attach]


def _hosts(req: request.Request, spec: objects.RequestSpec) -> Plan:
    """Which hosts would do and why the others not: names for administrators,
    counts for everybody else."""
    verdicts = req.services.scheduler.explain_destinations(req.ctxt, spec)
    suitable = [verdict for verdict in verdicts if verdict.rule is None]
    refused = [verdict for verdict in verdicts if verdict.rule is not None]
    counts: dict[str, int] = {}
    for verdict in refused:
        counts[verdict.rule] = counts.get(verdict.rule, 0) + 1
    answer: Plan = {"suitable": len(suitable), "refused": counts}
    if req.ctxt.is_admin:
        answer["suitable_hosts"] = [verdict.host for verdict in suitable]
        answer["refused_hosts"] = [
            {"host": verdict.host, "rule": verdict.rule, "reason": verdict.reason}
            for verdict in refused
        ]
    return answer
