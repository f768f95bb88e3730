"""The conductor's process."""

from oslo_config import cfg
from oslo_utils import timeutils

from nova_lite import concurrency
from nova_lite import daemon
from nova_lite.audit import collect
from nova_lite.conductor import audits
from nova_lite.conductor import build
from nova_lite.conductor import delete
from nova_lite.conductor import manager
from nova_lite.conductor import reaper
from nova_lite.conductor import updates
from nova_lite.db import session
from nova_lite.db.queries import services
from nova_lite.image import glance
from nova_lite.objects import service
from nova_lite.rpc import compute as compute_rpc
from nova_lite.rpc import scheduler as scheduler_rpc
from nova_lite.rpc import transport
from nova_lite.scheduler.allocations import local
from nova_lite.volume import cinder


class ConductorService:
    """Handles the conductor's messages, and looks for silent owners."""

    def __init__(
        self, conf: cfg.ConfigOpts, database: session.Database, bus: transport.Transport
    ) -> None:
        self._conf = conf
        self._database = database
        self._bus = bus
        ledger = local.LocalLedger(database)
        compute = compute_rpc.ComputeClient(bus)
        client = cinder.CinderClient(conf)
        writer = updates.Updates(conf, database, ledger)
        builder = build.Builder(
            conf, database, ledger, scheduler_rpc.SchedulerClient(bus), compute
        )
        images = glance.GlanceClient(conf)
        deleter = delete.Deleter(conf.host, database, client, images, writer)
        self.manager = manager.ConductorManager(builder, deleter, writer)
        self.reaper = reaper.Reaper(
            conf, database, builder, deleter, writer, compute, client, images
        )
        self._service = daemon.new_service(conf, service.CONDUCTOR_BINARY)
        self._periodic = [
            concurrency.Periodic("heartbeat", conf.report_interval_s, self._report),
            concurrency.Periodic("reaper", conf.conductor.reaper_interval_s, self.reaper.reap),
        ]
        self.audits = audits.Audits(conf, collect.Collector(conf, database, client, compute))
        if conf.audit.interval_s:
            self._periodic.append(
                concurrency.Periodic("audit", conf.audit.interval_s, self.audits.run)
            )

    def start(self) -> None:
        """Serve, and take up what an earlier run of this conductor left."""
        self._report()
        started_at = timeutils.utcnow()
        self._server = self._bus.serve(transport.CONDUCTOR_TOPIC, self._conf.host, [self.manager])
        concurrency.spawn(self.reaper.inherit, started_at)
        for periodic in self._periodic:
            periodic.start()

    def stop(self) -> None:
        """Finish the messages that are here, and end."""
        for periodic in self._periodic:
            periodic.stop()
        self._server.stop()
        self._server.wait()

    def _report(self) -> None:
        with self._database.api.read() as connection:
            services.report(connection, self._service)
