"""The connection to libvirtd is lost for real: a relay before its socket is cut."""

import contextlib
import socket
import subprocess
import threading

import pytest

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite import states
from tests.conformance import conftest
from tests.conformance import test_volume_changes


class Relay:
    """A Unix socket that leads to libvirtd until it is cut."""

    def __init__(self, path):
        self.path = path
        self._open = []
        self._listener = None

    def listen(self):
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        self.path.unlink(missing_ok=True)
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _address = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(conftest.LIBVIRT_SOCKET))
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)


@pytest.fixture
def relay(libvirt_lab):
    relay = Relay(libvirt_lab.path / "relay")
    relay.listen()
    yield relay
    relay.cut()


@pytest.fixture
def driver(libvirt_lab, relay):
    uri = f"qemu+unix:///system?socket={relay.path}"
    return libvirt_lab.new_driver(libvirt__connection_uri=uri)


def test_a_lost_connection_is_an_error_and_then_comes_back(libvirt_lab, relay, driver):
    instance_uuid = libvirt_lab.spawn(libvirt_lab.volume("vda"))
    seen = []
    driver.guests.on_lifecycle_event(seen.append)
    assert driver.guests.info(instance_uuid).power_state is states.PowerState.RUNNING

    relay.cut()
    with pytest.raises(exceptions.HypervisorUnavailable, match="broken"):
        driver.guests.info(instance_uuid)

    relay.listen()
    assert driver.guests.info(instance_uuid).power_state is states.PowerState.RUNNING
    libvirt_lab.driver.power.power_off(instance_uuid, 0)
    assert concurrency.wait_until(
        lambda: any(info.power_state is states.PowerState.SHUTDOWN for info in seen), 10
    ), "no event came over the new connection"


def test_a_volumes_copy_outlives_the_connection(libvirt_lab, relay, driver):
    """libvirtd restarts while QEMU copies: the guest still ends up on the new volume."""
    instance_uuid = libvirt_lab.spawn(libvirt_lab.volume("vda"))
    old = libvirt_lab.volume("vdb")
    libvirt_lab.plug(instance_uuid, old)
    new = test_volume_changes.target_of(libvirt_lab, old, instance_uuid)
    cuts = []

    def cut_once():
        if not cuts:
            cuts.append(relay.cut())
            relay.listen()
        return True

    driver.volumes.swap(instance_uuid, old["connection_info"], new, is_wanted=cut_once)
    assert cuts
    serial = old["connection_info"]["serial"]
    assert driver.volumes.is_backed_by(instance_uuid, serial, new["connection_info"])


def test_no_copy_is_left_when_the_connection_goes_with_the_wish(libvirt_lab, relay, driver):
    """Else QEMU would go on writing to a volume that is given back."""
    instance_uuid = libvirt_lab.spawn(libvirt_lab.volume("vda"))
    old = libvirt_lab.volume("vdb")
    libvirt_lab.plug(instance_uuid, old)
    new = test_volume_changes.target_of(libvirt_lab, old, instance_uuid)

    def cut_and_give_up():
        relay.cut()
        relay.listen()
        return False

    with pytest.raises(exceptions.VolumeCopyStopped):
        driver.volumes.swap(instance_uuid, old["connection_info"], new, is_wanted=cut_and_give_up)
    command = ["virsh", "-c", "qemu:///system", "blockjob", instance_uuid, "vdb"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert "No current block job" in told.stdout


def test_no_hypervisor_at_the_start(libvirt_lab):
    uri = f"qemu+unix:///system?socket={libvirt_lab.path}/nowhere"
    with pytest.raises(exceptions.HypervisorUnavailable, match="nowhere"):
        libvirt_lab.new_driver(libvirt__connection_uri=uri)
