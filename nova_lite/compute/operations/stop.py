"""Shut a server down. It keeps its definition, its disks and its volumes."""

from nova_lite import exceptions
from nova_lite import states
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Power the guest of ``task`` off; one that is off already is success.

    :raises nova_lite.exceptions.GuestNotFound: the hypervisor has none.
    """
    instance_uuid = task.instance.uuid
    with task.step("power_off"):
        try:
            host.driver.power.power_off(
                instance_uuid, _patience_s(host, task), is_wanted=lambda: not task.superseded
            )
        except exceptions.HypervisorError:
            # What counts is whether it is off: the guest may have been quicker.
            found = host.driver.guests.info(instance_uuid)
            if found.power_state != states.PowerState.SHUTDOWN:
                raise
        # A delete does not wait for the guest's patience.
        task.require_ours()
    task.facts["power_state"] = int(states.PowerState.SHUTDOWN)


def _patience_s(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> float:
    """How long its system may take to shut down: what the image says, or what
    is configured, as in Nova."""
    properties = task.instance.system_metadata.get("image_properties", {})
    wished = properties.get("os_shutdown_timeout")
    if isinstance(wished, str) and wished.isascii() and wished.isdigit():
        return min(float(wished), host.conf.compute.shutdown_timeout_max_s)
    return float(host.conf.compute.shutdown_timeout_s)
