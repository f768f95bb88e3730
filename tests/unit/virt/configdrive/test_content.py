"""What a config drive says, held against Nova's format."""

import base64
import json

import pytest

from nova_lite import conf as conf_module
from nova_lite import objects
from nova_lite.virt import interface
from nova_lite.virt.configdrive import content
from tests.conformance import factories

USER_DATA = b"#cloud-config\n\xff"


@pytest.fixture
def instance():
    made = factories.instance()
    made.hostname = "web-1"
    made.availability_zone = "zone"
    made.metadata = {"role": "web"}
    made.key_name, made.key_data = "me", "ssh-ed25519 AAAA me@home\n"
    made.user_data = base64.b64encode(USER_DATA).decode()
    return made


def meta_data(instance, devices=(), password=None, version="latest"):
    files = content.files(instance, list(devices), password)
    return json.loads(files[f"openstack/{version}/meta_data.json"])


def test_meta_data(instance):
    data = meta_data(instance)
    seed = data.pop("random_seed")
    assert len(base64.b64decode(seed)) == 512
    assert data == {
        "uuid": instance.uuid,
        "name": instance.display_name,
        "hostname": "web-1",
        "availability_zone": "zone",
        "launch_index": 0,
        "project_id": "project",
        "meta": {"role": "web"},
        "public_keys": {"me": "ssh-ed25519 AAAA me@home\n"},
        "keys": [{"name": "me", "type": "ssh", "data": "ssh-ed25519 AAAA me@home\n"}],
        "dedicated_cpus": [],
        "devices": [],
    }
    assert meta_data(instance)["random_seed"] != seed


def test_what_a_server_lacks_is_not_there():
    data = meta_data(factories.instance())
    assert not {"meta", "public_keys", "keys", "admin_pass"} & set(data)


@pytest.mark.parametrize("version", ["2018-08-27", "2020-10-14", "latest"])
def test_each_version_is_whole(instance, version):
    files = content.files(instance, [], None)
    names = {path.rsplit("/", 1)[-1] for path in files if f"/{version}/" in path}
    assert names == {
        "meta_data.json",
        "network_data.json",
        "user_data",
        "vendor_data.json",
        "vendor_data2.json",
    }
    assert files[f"openstack/{version}/user_data"] == USER_DATA
    assert json.loads(files[f"openstack/{version}/network_data.json"]) == {
        "links": [],
        "networks": [],
        "services": [],
    }


def test_user_data_in_lines(instance):
    """Base64 as people wrap it."""
    instance.user_data = "aGVs\nbG8=\n"
    assert content.files(instance, [])["openstack/latest/user_data"] == b"hello"


def test_without_user_data_there_is_no_file():
    assert not any("user_data" in path for path in content.files(factories.instance(), []))


def test_admin_password(instance):
    assert meta_data(instance, password="secret")["admin_pass"] == "secret"


def test_tagged_devices_in_novas_format():
    """S59: only tagged ones; a local disk has no serial."""
    volume_id = "0f6e3b1c-1111-2222-3333-444455556666"
    devices = [
        objects.BlockDeviceMapping(
            device_name="/dev/vda", destination_type="local", tag="root", uuid=volume_id
        ),
        objects.BlockDeviceMapping(
            device_name="/dev/vdb", destination_type="volume", volume_id=volume_id, tag="db"
        ),
        objects.BlockDeviceMapping(
            device_name="/dev/vdc", destination_type="volume", volume_id=volume_id, tag=None
        ),
    ]
    places = {"vdb": interface.DevicePlace("pci", "0000:02:00.0")}
    assert content.device_metadata(devices, places) == [
        {
            "type": "disk",
            "bus": "none",
            "address": "none",
            "path": "/dev/vda",
            "tags": ["root"],
        },
        {
            "type": "disk",
            "bus": "pci",
            "address": "0000:02:00.0",
            "serial": volume_id,
            "path": "/dev/vdb",
            "tags": ["db"],
        },
    ]


@pytest.mark.parametrize(
    ("asked", "forced", "properties", "wanted"),
    [
        (False, False, {}, False),
        (False, False, {"img_config_drive": "optional"}, False),
        (True, False, {}, True),
        (False, True, {}, True),
        (False, False, {"img_config_drive": "mandatory"}, True),
    ],
)
def test_who_wants_one(asked, forced, properties, wanted):
    conf = conf_module.new(files=[], compute__force_config_drive=forced)
    instance = factories.instance()
    instance.config_drive = asked
    assert content.is_wanted(conf, instance, factories.image_meta(**properties)) is wanted
