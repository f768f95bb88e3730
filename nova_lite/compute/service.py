"""The compute's process."""

import logging

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import context
from nova_lite import daemon
from nova_lite import exceptions
from nova_lite import locks
from nova_lite.compute import dispatch
from nova_lite.compute import host as compute_host
from nova_lite.compute import inspection
from nova_lite.compute import manager
from nova_lite.compute import recovery
from nova_lite.compute import resources
from nova_lite.compute import task
from nova_lite.compute import writeahead
from nova_lite.image import aging
from nova_lite.image import glance
from nova_lite.objects import service
from nova_lite.rpc import conductor as conductor_rpc
from nova_lite.rpc import transport
from nova_lite.virt import interface
from nova_lite.virt import load
from nova_lite.volume import cinder
from nova_lite.volume import connector

LOG = logging.getLogger(__name__)

STOP_GRACE_S = 30.0


class ComputeService:
    """Runs this host's operations; reports what the host has; takes up what
    an earlier run left."""

    def __init__(self, conf: cfg.ConfigOpts, bus: transport.Transport) -> None:
        self._conf = conf
        self._bus = bus
        self.driver = load.load(conf)
        self._conductor = conductor_rpc.ConductorClient(bus)
        connector.set_lock_path(conf)
        self._tracker = resources.ResourceTracker(conf, self.driver.host)
        log = writeahead.WriteAheadLog(f"{conf.state_path}/operations")
        instance_locks = locks.Locks()
        self._tasks = task.Tasks(conf, self._conductor, log, instance_locks)
        self.host = compute_host.ComputeHost(
            conf=conf,
            driver=self.driver,
            resources=self._tracker,
            cinder=cinder.CinderClient(conf),
            glance=glance.GlanceClient(conf),
            conductor=self._conductor,
            tasks=self._tasks,
        )
        self._dispatcher = dispatch.Dispatcher(self.host)
        self._recovery = recovery.Recovery(self.host, log, instance_locks, self._dispatcher.start)
        self._inspection = inspection.Inspection(
            conf.host, self.driver, self._tasks, log, instance_locks
        )
        self._service = daemon.new_service(
            conf, service.COMPUTE_BINARY, conf.compute.availability_zone
        )
        interval_s = conf.compute.resource_report_interval_s
        self._periodic = [
            concurrency.Periodic("heartbeat", conf.report_interval_s, self._heartbeat),
            concurrency.Periodic("inventory", interval_s, self._report_inventory),
            concurrency.Periodic("recovery", interval_s, self._recovery.sweep),
        ]
        if conf.image_cache.interval_s:
            self._periodic.append(
                concurrency.Periodic(
                    "image cache", conf.image_cache.interval_s, self.age_base_files
                )
            )

    def start(self) -> None:
        """Connect to the hypervisor, take up what was left, and serve.

        :raises nova_lite.exceptions.HypervisorUnavailable: it is not there.
        """
        self.driver.host.start()
        self.driver.images.start()
        self.driver.guests.on_lifecycle_event(self._guest_changed)
        self._wait_for_conductor()
        self._recovery.sweep()
        endpoint = manager.ComputeManager(
            self._dispatcher, self.driver, self._inspection, self._recovery
        )
        self._server = self._bus.serve(transport.COMPUTE_TOPIC, self._conf.host, [endpoint])
        for periodic in self._periodic:
            periodic.start()

    def stop(self) -> None:
        """Take no new work; let operations end, or leave them to the next run."""
        for periodic in self._periodic:
            periodic.stop()
        self._server.stop()
        if not concurrency.wait_until(lambda: not self._tasks.active, STOP_GRACE_S):
            LOG.warning("%d operations are left to the next start", len(self._tasks.active))

    def age_base_files(self) -> aging.Report:
        """Remove base files that nothing uses, and report."""
        in_use, made = self.driver.disks.remove_unused_bases()
        report = made + self.driver.images.remove_unused(in_use)
        LOG.info(
            "Base files: %d in use, %d kept (%d MiB), %d removed (%d MiB)",
            len(in_use),
            len(report.kept),
            report.kept_bytes // 2**20,
            len(report.removed),
            report.removed_bytes // 2**20,
        )
        return report

    def _wait_for_conductor(self) -> None:
        """The first report; a conductor that is not up yet is waited for."""
        while True:
            try:
                self._report_inventory()
                return
            except exceptions.RemoteServiceError as error:
                LOG.warning("Waiting for the conductor: %s", error.message)
                concurrency.sleep(1)

    def _heartbeat(self) -> None:
        self._conductor.report_service(context.admin_context(), self._service, None)

    def _report_inventory(self) -> None:
        self._conductor.report_service(
            context.admin_context(), self._service, self._tracker.node()
        )

    def _guest_changed(self, guest: interface.GuestInfo) -> None:
        self._conductor.report_power_state(
            context.admin_context(), guest.instance_uuid, int(guest.power_state)
        )
