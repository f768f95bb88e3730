"""Messages to one compute host."""

import abc

import oslo_messaging

from nova_lite import context
from nova_lite import objects
from nova_lite.rpc import transport

VERSION = "1.0"

RECONNECT_TRIES = 2
"""How often an audit, which is no daemon, tries to reach the broker."""


class ComputeClient(transport.Client):
    """What others ask of a compute host. The casts carry everything the host
    needs, and each shows the ticket of its operation."""

    TOPIC = transport.COMPUTE_TOPIC
    VERSION = VERSION

    def build_and_run_instance(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
        request_spec: objects.RequestSpec,
        block_devices: list[objects.BlockDeviceMapping],
        *,
        admin_password: str | None = None,
    ) -> None:
        """Build a server that is claimed for this host (cast)."""
        self._cast(
            ctxt,
            "build_and_run_instance",
            server=host,
            instance=instance,
            operation=operation,
            request_spec=request_spec,
            block_devices=block_devices,
            admin_password=admin_password,
        )

    def terminate_instance(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None:
        """Delete a server with its devices (cast)."""
        self._cast(
            ctxt,
            "terminate_instance",
            server=host,
            instance=instance,
            operation=operation,
            block_devices=block_devices,
        )

    def attach_volume(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Plug a reserved volume into a server (cast)."""
        self._cast(
            ctxt,
            "attach_volume",
            server=host,
            instance=instance,
            operation=operation,
            block_device=block_device,
        )

    def detach_volume(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Take a volume out of a server (cast)."""
        self._cast(
            ctxt,
            "detach_volume",
            server=host,
            instance=instance,
            operation=operation,
            block_device=block_device,
        )

    def extend_volume(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Cinder has made a volume of the server larger (cast)."""
        self._cast(
            ctxt,
            "extend_volume",
            server=host,
            instance=instance,
            operation=operation,
            block_device=block_device,
        )

    def swap_volume(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Put the volume that Cinder moves another to in its place (cast)."""
        self._cast(
            ctxt,
            "swap_volume",
            server=host,
            instance=instance,
            operation=operation,
            block_device=block_device,
        )

    def stop_instance(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
    ) -> None:
        """Shut a server down (cast)."""
        self._cast(ctxt, "stop_instance", server=host, instance=instance, operation=operation)

    def start_instance(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None:
        """Start a server that was shut down, with its devices (cast)."""
        self._cast(
            ctxt,
            "start_instance",
            server=host,
            instance=instance,
            operation=operation,
            block_devices=block_devices,
        )

    def create_image(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None:
        """Fill the image named in the operation's arguments with what a server's
        disks hold now (cast)."""
        self._cast(
            ctxt,
            "create_image",
            server=host,
            instance=instance,
            operation=operation,
            block_devices=block_devices,
        )

    def get_console_output(
        self, ctxt: context.RequestContext, host: str, instance_uuid: str, tail_lines: int | None
    ) -> str:
        """The last lines of a guest's console (None: all that is kept).

        :raises nova_lite.exceptions.GuestNotFound: the host has no such guest.
        :raises nova_lite.exceptions.RpcTimeout: the host is silent.
        """
        return self._call(
            ctxt,
            "get_console_output",
            server=host,
            instance_uuid=instance_uuid,
            tail_lines=tail_lines,
        )

    def get_inventory(
        self, ctxt: context.RequestContext, host: str, instance_uuid: str | None
    ) -> objects.HostInventory:
        """What the host has of all servers, or of one.

        :raises nova_lite.exceptions.RemoteServiceError: the host is silent.
        """
        return self._call(
            ctxt,
            "get_inventory",
            server=host,
            retry=RECONNECT_TRIES,
            instance_uuid=instance_uuid,
        )

    def sweep(self, ctxt: context.RequestContext, host: str) -> None:
        """Have the host take up what was left, and remove what is left of servers
        that are deleted, now and not at its next round (call).

        :raises nova_lite.exceptions.RemoteServiceError: the host is silent.
        """
        self._call(ctxt, "sweep", server=host)

    def plug_again(
        self,
        ctxt: context.RequestContext,
        host: str,
        instance_uuid: str,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Give a volume of a server, which the host is connected to, to whichever
        of the running guest and its definition lacks it (call).

        :raises nova_lite.exceptions.GuestNotFound: the host has no such guest.
        :raises nova_lite.exceptions.RemoteServiceError: the host is silent.
        """
        self._call(
            ctxt,
            "plug_again",
            server=host,
            instance_uuid=instance_uuid,
            block_device=block_device,
        )


class ComputeEndpoint(abc.ABC):
    """The receiving side; the compute's manager implements it. What each
    message means is said at the client's method of the same name."""

    target = oslo_messaging.Target(version=VERSION)

    @abc.abstractmethod
    def build_and_run_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        request_spec: objects.RequestSpec,
        block_devices: list[objects.BlockDeviceMapping],
        *,
        admin_password: str | None = None,
    ) -> None: ...

    @abc.abstractmethod
    def terminate_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None: ...

    @abc.abstractmethod
    def attach_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None: ...

    @abc.abstractmethod
    def detach_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None: ...

    @abc.abstractmethod
    def extend_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None: ...

    @abc.abstractmethod
    def swap_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None: ...

    @abc.abstractmethod
    def stop_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
    ) -> None: ...

    @abc.abstractmethod
    def start_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None: ...

    @abc.abstractmethod
    def create_image(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: list[objects.BlockDeviceMapping],
    ) -> None: ...

    @abc.abstractmethod
    def get_console_output(
        self, ctxt: context.RequestContext, instance_uuid: str, tail_lines: int | None
    ) -> str: ...

    @abc.abstractmethod
    def get_inventory(
        self, ctxt: context.RequestContext, instance_uuid: str | None
    ) -> objects.HostInventory: ...

    @abc.abstractmethod
    def sweep(self, ctxt: context.RequestContext) -> None: ...

    @abc.abstractmethod
    def plug_again(
        self,
        ctxt: context.RequestContext,
        instance_uuid: str,
        block_device: objects.BlockDeviceMapping,
    ) -> None: ...
