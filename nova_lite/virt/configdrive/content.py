"""What is on a config drive, in the layout that cloud-init and cloudbase-init read
(OpenStack's; https://docs.openstack.org/nova/latest/user/metadata.html)."""

import base64
import collections.abc
import json
import secrets
import typing

from oslo_config import cfg

from nova_lite import objects
from nova_lite.virt import interface
from nova_lite.virt import naming

VERSIONS = ("2018-08-27", "2020-10-14", "latest")
"""The folders below ``openstack``. cloud-init takes the newest it knows."""

RANDOM_SEED_BYTES = 512

Files: typing.TypeAlias = dict[str, bytes]
"""Content by path from the drive's root."""


def is_wanted(
    conf: cfg.ConfigOpts, instance: objects.Instance, image_meta: objects.ImageMeta
) -> bool:
    """Whether the user, the operator or the image demands a config drive."""
    return bool(
        instance.config_drive
        or conf.compute.force_config_drive
        or image_meta.properties.get("img_config_drive") == "mandatory"
    )


def device_metadata(
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
    places: collections.abc.Mapping[str, interface.DevicePlace],
) -> list[dict[str, typing.Any]]:
    """The tagged devices, as the guest finds them again.

    :param places: where each disk is in the guest, by target name.
    """
    return [_device(device, places) for device in devices if device.tag]


def files(
    instance: objects.Instance,
    devices: list[dict[str, typing.Any]],
    admin_password: str | None = None,
) -> Files:
    """All files of a server's config drive.

    :param devices: what :func:`device_metadata` gave.
    :param admin_password: None if nobody knows it any more.
    """
    own: Files = {
        "meta_data.json": _json(_meta_data(instance, devices, admin_password)),
        # There is no networking: nothing for the guest to configure.
        "network_data.json": _json({"links": [], "networks": [], "services": []}),
        "vendor_data.json": _json({}),
        "vendor_data2.json": _json({}),
    }
    if instance.user_data:
        own["user_data"] = base64.b64decode(instance.user_data)
    return {
        f"openstack/{version}/{name}": content
        for version in VERSIONS
        for name, content in own.items()
    }


def _meta_data(
    instance: objects.Instance,
    devices: list[dict[str, typing.Any]],
    admin_password: str | None,
) -> dict[str, typing.Any]:
    data: dict[str, typing.Any] = {
        "uuid": instance.uuid,
        "name": instance.display_name,
        "hostname": instance.hostname,
        "availability_zone": instance.availability_zone,
        "launch_index": instance.launch_index,
        "project_id": instance.project_id,
        "random_seed": base64.b64encode(secrets.token_bytes(RANDOM_SEED_BYTES)).decode(),
        "dedicated_cpus": [],
    }
    if instance.metadata:
        data["meta"] = instance.metadata
    if admin_password is not None:
        data["admin_pass"] = admin_password
    if instance.key_name:
        data["public_keys"] = {instance.key_name: instance.key_data}
        data["keys"] = [
            {"name": instance.key_name, "type": "ssh", "data": instance.key_data},
        ]
    data["devices"] = devices
    return data


def _device(
    device: objects.BlockDeviceMapping,
    places: collections.abc.Mapping[str, interface.DevicePlace],
) -> dict[str, typing.Any]:
    target = naming.target_name(device.device_name)
    place = places.get(target, interface.DevicePlace())
    found = {"type": "disk", "bus": place.bus, "address": place.address}
    if device.is_volume:
        found["serial"] = device.volume_id
    return {**found, "path": f"/dev/{target}", "tags": [device.tag]}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
