"""The one connection to libvirt: opened when needed, and again when lost."""

import logging
import threading
import typing
import weakref

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.virt.libvirt import events
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt import xml

LOG = logging.getLogger(__name__)

VirConnect: typing.TypeAlias = typing.Any

KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_COUNT = 4
"""A libvirtd that says nothing for 5 x 4 seconds counts as lost."""


class EventLoop:
    """libvirt's event loop: one a process, as libvirt has only one.

    It runs in a native thread of its own, for whatever happens in others: libvirtd
    hangs up on who does not answer it. What arrives is dispatched in another thread, a
    green one in a daemon.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bell: concurrency.Bell | None = None
        self._served: weakref.WeakSet[events.Events] = weakref.WeakSet()

    def serve(self, arrived: events.Events) -> None:
        """Dispatch what arrives there. Call before opening."""
        import libvirt

        self._served.add(arrived)
        with self._lock:
            if self._bell is not None:
                return
            # Errors are raised; libvirt need not print them as well.
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            libvirt.virEventRegisterDefaultImpl()
            bell = self._bell = concurrency.Bell()
            threading.Thread(
                target=self._dispatch, args=(bell,), name="libvirt-dispatch", daemon=True
            ).start()
            concurrency.start_native_thread(self._run, "libvirt-events")

    def notice(self) -> None:
        """Something was put aside. Called in the loop's native thread."""
        if self._bell is not None:
            self._bell.ring()

    def _run(self) -> None:
        import libvirt

        while True:
            libvirt.virEventRunDefaultImpl()

    def _dispatch(self, bell: concurrency.Bell) -> None:
        while True:
            bell.wait()
            try:
                for arrived in list(self._served):
                    arrived.dispatch()
            except Exception:
                # The next event rings again.
                LOG.exception("An event of libvirt could not be handled")


_event_loop = EventLoop()


class Connection:
    """libvirt's connection and the guests behind it.

    Every method raises :exc:`nova_lite.exceptions.HypervisorUnavailable` when
    libvirt cannot be reached; the next call tries again.
    """

    def __init__(self, uri: str, host: str) -> None:
        self._uri = uri
        self._host = host
        self._lock = threading.Lock()
        self._connected: VirConnect | None = None
        self.events = events.Events()

    def open(self) -> None:
        """Connect now, to fail now."""
        self._get()

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            connected, self._connected = self._connected, None
        if connected is not None:
            guest.call(connected.close)

    def lookup(self, instance_uuid: str) -> guest.Guest:
        """The guest with that UUID, whoever it belongs to.

        :raises nova_lite.exceptions.GuestNotFound: there is none.
        """
        try:
            return guest.Guest(guest.call(self._get().lookupByUUIDString, instance_uuid))
        except exceptions.GuestNotFound:
            raise exceptions.GuestNotFound(instance_uuid=instance_uuid) from None

    def list_all(self) -> list[guest.Guest]:
        """Every guest, running or not, whoever it belongs to."""
        return [guest.Guest(domain) for domain in guest.call(self._get().listAllDomains)]

    def define(self, domain: xml.Domain) -> guest.Guest:
        """Make libvirt know a guest."""
        return guest.Guest(guest.call(self._get().defineXML, domain.to_xml()))

    def has_secret(self, secret_uuid: str) -> bool:
        """Whether libvirt knows a secret of that UUID."""
        return secret_uuid in guest.call(self._get().listSecrets)

    def keep_secret(self, secret: xml.Secret, value: bytes) -> None:
        """Make libvirt know a secret and its value. There already gets the value.

        :raises nova_lite.exceptions.HypervisorError: its usage is another's.
        """
        connected = self._get()
        defined = guest.call(connected.secretDefineXML, secret.to_xml())
        guest.call(defined.setValue, value)

    def remove_secret(self, secret_uuid: str) -> None:
        """Make libvirt forget a secret. Gone is success."""
        if self.has_secret(secret_uuid):
            found = guest.call(self._get().secretLookupByUUIDString, secret_uuid)
            guest.call(found.undefine)

    def version(self) -> int:
        """The hypervisor's, as 1000000 * major + 1000 * minor + release."""
        return int(guest.call(self._get().getVersion))

    def host_sizes(self) -> tuple[int, int]:
        """The host's CPUs and its memory in MiB."""
        _model, memory_mib, cpus, *_rest = guest.call(self._get().getInfo)
        return cpus, memory_mib

    def host_cpu(self) -> xml.HostCpu:
        """The host's processor."""
        return xml.HostCpu.from_capabilities(guest.call(self._get().getCapabilities))

    def _get(self) -> VirConnect:
        with self._lock:
            if self._connected is not None:
                if guest.call(self._connected.isAlive):
                    return self._connected
                LOG.warning("The connection to libvirt was lost; connecting again")
                self._connected = None
            _event_loop.serve(self.events)
            try:
                self._connected = guest.call(self._open)
            except exceptions.NovaLiteError as error:
                reason = f"{self._uri}: {error}"
                raise exceptions.HypervisorUnavailable(host=self._host, reason=reason) from error
            return self._connected

    def _open(self) -> VirConnect:
        import libvirt

        connected = libvirt.open(self._uri)
        connected.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
        for event, callback in (
            (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle),
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._on_device_removed),
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, self._on_removal_failed),
        ):
            connected.domainEventRegisterAny(None, event, callback, None)
        return connected

    def _on_lifecycle(
        self, _connection: VirConnect, domain: typing.Any, event: int, _detail: int, _: object
    ) -> None:
        import libvirt

        if event not in (libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED):
            self._put_aside(events.PowerChanged(domain.UUIDString()))

    def _on_device_removed(
        self, _connection: VirConnect, domain: typing.Any, alias: str, _: object
    ) -> None:
        self._put_aside(events.DeviceReleased(domain.UUIDString(), alias))

    def _on_removal_failed(
        self, _connection: VirConnect, domain: typing.Any, alias: str, _: object
    ) -> None:
        self._put_aside(events.DeviceReleased(domain.UUIDString(), alias, refused=True))

    def _put_aside(self, event: events.PowerChanged | events.DeviceReleased) -> None:
        self.events.put_aside(event)
        _event_loop.notice()
