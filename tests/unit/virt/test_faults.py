import subprocess
import sys
import threading
import uuid

import pytest

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.virt import fake
from nova_lite.virt import faults


@pytest.fixture
def driver(tmp_path):
    return fake.FakeDriver(conf_module.new(files=[], default__state_path=str(tmp_path)))


def missing(driver):
    """Whether the driver answers as it should for a guest that is not there."""
    try:
        driver.guests.info(str(uuid.uuid4()))
    except exceptions.GuestNotFound:
        return True
    return False


def test_fails_so_many_times(driver):
    driver.faults.fail("guests.list_guests", RuntimeError("no"), times=2)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            driver.guests.list_guests()
    assert driver.guests.list_guests() == []


def test_fails_for_ever_until_cleared(driver):
    driver.faults.fail("guests.list_guests", RuntimeError("no"))
    for _ in range(3):
        with pytest.raises(RuntimeError):
            driver.guests.list_guests()
    driver.faults.clear()
    assert driver.guests.list_guests() == []


def test_a_failure_after_the_call_leaves_it_done(driver):
    info = {"driver_volume_type": "local", "serial": "v1", "data": {}}
    driver.faults.fail("volumes.connect", RuntimeError("reply lost"), times=1, after=True)
    with pytest.raises(RuntimeError):
        driver.volumes.connect(info, "s1")
    assert driver.world.connected == {"v1": ["s1"]}


def test_other_calls_are_left_alone(driver):
    driver.faults.fail("guests.spawn", RuntimeError("no"))
    assert missing(driver)


def test_hangs_until_released(driver):
    entered = threading.Event()
    driver.faults.on_call("guests.list_guests", entered.set)
    release = driver.faults.hang("guests.list_guests", times=1)
    answers = []
    caller = threading.Thread(target=lambda: answers.append(driver.guests.list_guests()))
    caller.start()
    assert entered.wait(5)
    assert answers == []
    release()
    caller.join(5)
    assert answers == [[]]


def test_clear_releases_what_hangs(driver):
    entered = threading.Event()
    driver.faults.on_call("guests.list_guests", entered.set)
    driver.faults.hang("guests.list_guests", times=1)
    caller = threading.Thread(target=driver.guests.list_guests)
    caller.start()
    assert entered.wait(5)
    driver.faults.clear()
    caller.join(5)
    assert not caller.is_alive()


def test_slow_waits(driver, monkeypatch):
    waits = []
    monkeypatch.setattr(faults.concurrency, "sleep", waits.append)
    driver.faults.slow("guests.list_guests", 0.5)
    assert driver.guests.list_guests() == []
    assert waits == [0.5]


def test_callback_sees_the_arguments(driver):
    seen = []
    driver.faults.on_call("guests.destroy", seen.append)
    driver.guests.destroy("some-uuid")
    assert seen == ["some-uuid"]


def test_calls_are_recorded_in_order(driver):
    driver.guests.list_guests()
    driver.disks.list_instances()
    assert list(driver.faults.calls) == ["guests.list_guests", "disks.list_instances"]


def test_configured_faults(tmp_path):
    conf = conf_module.new(
        files=[],
        default__state_path=str(tmp_path),
        fake__faults=["guests.list_guests:fail:1", "guests.info@after:fail"],
    )
    driver = fake.FakeDriver(conf)
    with pytest.raises(exceptions.HypervisorError, match="guests.list_guests"):
        driver.guests.list_guests()
    assert driver.guests.list_guests() == []


def test_configured_death_ends_the_process(tmp_path):
    """The process ends as by kill -9: no clean-up runs, the code is 137."""
    program = (
        "import atexit, sys\n"
        "import nova_lite.conf\n"
        "from nova_lite.virt import fake\n"
        "atexit.register(print, 'cleaned up')\n"
        "conf = nova_lite.conf.new(\n"
        "    files=[], default__state_path=sys.argv[1], fake__faults=['host.start:die']\n"
        ")\n"
        "fake.FakeDriver(conf).host.start()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == faults.EXIT_CODE_OF_DEATH
    assert "cleaned up" not in result.stdout


@pytest.mark.parametrize(
    "text", ["spawn:fail", "guests.spawn", "guests.spawn:explode", "guests.spawn@before:fail"]
)
def test_a_fault_that_cannot_be_understood_is_refused(tmp_path, text):
    conf = conf_module.new(files=[], default__state_path=str(tmp_path), fake__faults=[text])
    with pytest.raises(ValueError, match="faults"):
        fake.FakeDriver(conf)
