"""The compute's endpoint. A message that starts an operation returns at once."""

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.compute import dispatch
from nova_lite.compute import inspection
from nova_lite.compute import recovery
from nova_lite.rpc import compute as compute_rpc
from nova_lite.rpc import transport
from nova_lite.virt import interface


class ComputeManager(compute_rpc.ComputeEndpoint):
    """Receives the compute's messages."""

    def __init__(
        self,
        dispatcher: dispatch.Dispatcher,
        driver: interface.Driver,
        inspector: inspection.Inspection,
        taking_up: recovery.Recovery,
    ) -> None:
        self._dispatcher = dispatcher
        self._driver = driver
        self._inspection = inspector
        self._recovery = taking_up

    def build_and_run_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        request_spec: objects.RequestSpec,
        block_devices: list[objects.BlockDeviceMapping],
        *,
        admin_password: str | None = None,
    ) -> None:
        """Build a server."""
        self._dispatcher.start(
            ctxt, operation, instance, block_devices, request_spec, admin_password
        )

    def terminate_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None:
        """Delete a server."""
        self._dispatcher.start(ctxt, operation, instance, block_devices)

    def attach_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Plug a volume in."""
        self._dispatcher.start(ctxt, operation, instance, [block_device])

    def detach_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Take a volume out."""
        self._dispatcher.start(ctxt, operation, instance, [block_device])

    def extend_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Tell a guest that its volume has grown."""
        self._dispatcher.start(ctxt, operation, instance, [block_device])

    def swap_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Move a guest from one volume to another."""
        self._dispatcher.start(ctxt, operation, instance, [block_device])

    def stop_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
    ) -> None:
        """Shut a server down."""
        self._dispatcher.start(ctxt, operation, instance, [])

    def start_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None:
        """Start a server again."""
        self._dispatcher.start(ctxt, operation, instance, block_devices)

    def create_image(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None:
        """Make an image of a server."""
        self._dispatcher.start(ctxt, operation, instance, block_devices)

    @transport.expected_errors
    def get_console_output(
        self, ctxt: context.RequestContext, instance_uuid: str, tail_lines: int | None
    ) -> str:
        """The end of a guest's console."""
        if not self._driver.capabilities.supports_console_output:
            raise exceptions.UnsupportedByDriver(capability="console output")
        text = self._driver.consoles.output(instance_uuid).decode("utf-8", "replace")
        if tail_lines is None:
            return text
        return "\n".join(text.split("\n")[-tail_lines:]) if tail_lines else ""

    @transport.expected_errors
    def get_inventory(
        self, ctxt: context.RequestContext, instance_uuid: str | None
    ) -> objects.HostInventory:
        """What is here."""
        return self._inspection.inventory(instance_uuid)

    @transport.expected_errors
    def sweep(self, ctxt: context.RequestContext) -> None:
        """Take up what was left."""
        self._recovery.sweep()

    @transport.expected_errors
    def plug_again(
        self,
        ctxt: context.RequestContext,
        instance_uuid: str,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Mend a guest's definition."""
        self._inspection.plug_again(instance_uuid, block_device)
