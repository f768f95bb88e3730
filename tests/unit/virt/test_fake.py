"""What only the fake has; what every driver has is in tests/conformance."""

import pytest

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite import states
from nova_lite.virt import fake
from tests.conformance import factories


@pytest.fixture
def conf(tmp_path):
    return conf_module.new(files=[], default__state_path=str(tmp_path), fake__persist=True)


@pytest.fixture
def driver(conf):
    return fake.FakeDriver(conf)


def spawn(driver, *volumes):
    instance = factories.instance()
    info = factories.block_device_info(volumes=volumes)
    for volume in volumes:
        driver.volumes.connect(volume["connection_info"], instance.uuid)
    driver.disks.create(instance, info, None)
    driver.guests.spawn(instance, factories.image_meta(), info, None)
    return instance.uuid


def test_state_outlives_the_process(conf, driver):
    volume = factories.volume_device("vda")
    uuid = spawn(driver, volume)
    driver.power.power_off(uuid, 0)
    successor = fake.FakeDriver(conf)
    successor.host.start()
    assert successor.world == driver.world
    assert successor.guests.info(uuid).power_state is states.PowerState.SHUTDOWN
    assert [disk.serial for disk in successor.volumes.list_disks(uuid)] == [
        volume["connection_info"]["serial"]
    ]


def test_no_secret_is_persisted(conf, driver, tmp_path):
    """S139: connection_info's secrets stay out of every file."""
    volume = factories.volume_device("vda")
    volume["connection_info"]["data"]["auth_password"] = "canary"
    spawn(driver, volume)
    assert "canary" not in (tmp_path / "fake_driver.json").read_text()


def test_without_persist_nothing_is_written(tmp_path):
    conf = conf_module.new(files=[], default__state_path=str(tmp_path))
    spawn(fake.FakeDriver(conf))
    assert list(tmp_path.iterdir()) == []


def test_spawn_needs_its_disks(driver):
    with pytest.raises(exceptions.HypervisorError, match="no disks"):
        driver.guests.spawn(
            factories.instance(), factories.image_meta(), factories.block_device_info(), None
        )


def test_spawn_needs_connected_volumes(driver):
    instance = factories.instance()
    info = factories.block_device_info(volumes=[factories.volume_device("vda")])
    driver.disks.create(instance, info, None)
    with pytest.raises(exceptions.HypervisorError, match="not connected"):
        driver.guests.spawn(instance, factories.image_meta(), info, None)
    assert driver.guests.list_guests() == []


def test_plug_needs_a_connected_volume(driver):
    uuid = spawn(driver)
    with pytest.raises(exceptions.HypervisorError, match="not connected"):
        driver.volumes.plug(uuid, factories.volume_device("vdb"))


def test_a_volume_in_a_guest_cannot_be_disconnected(driver):
    volume = factories.volume_device("vda")
    uuid = spawn(driver, volume)
    with pytest.raises(exceptions.HypervisorError, match=uuid):
        driver.volumes.disconnect(volume["connection_info"], uuid)


def test_a_guest_that_stops_by_itself_is_reported(driver):
    uuid = spawn(driver)
    seen = []
    driver.guests.on_lifecycle_event(seen.append)
    driver.guests.change_power_state(uuid, states.PowerState.CRASHED)
    assert [(info.instance_uuid, info.power_state) for info in seen] == [
        (uuid, states.PowerState.CRASHED)
    ]


def test_sizes_are_configured(tmp_path):
    conf = conf_module.new(
        files=[],
        default__state_path=str(tmp_path),
        fake__vcpus=3,
        fake__memory_mib=512,
        fake__disk_gib=7,
    )
    resources = fake.FakeDriver(conf).host.resources()
    assert (resources.vcpus, resources.memory_mib, resources.disk_gib) == (3, 512, 7)
