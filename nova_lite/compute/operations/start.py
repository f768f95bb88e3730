"""Start a server that was shut down, from its definition."""

from nova_lite import exceptions
from nova_lite import states
from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Power the guest of ``task`` on; one that runs already is success.

    :raises nova_lite.exceptions.GuestNotFound: the hypervisor has none.
    """
    instance_uuid = task.instance.uuid
    with task.step("connect_volumes"):
        for device in task.devices:
            if device.is_volume and device.phase == states.DevicePhase.COMPLETE:
                types.volume_of(device, host).reconnect(task)
    with task.step("power_on"):
        try:
            host.driver.power.power_on(instance_uuid)
        except exceptions.HypervisorError:
            # What counts is whether it runs.
            found = host.driver.guests.info(instance_uuid)
            if found.power_state != states.PowerState.RUNNING:
                raise
    task.facts["power_state"] = int(states.PowerState.RUNNING)
