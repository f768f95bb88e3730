"""The scheduler's process."""

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import context
from nova_lite import daemon
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.queries import services
from nova_lite.objects import service
from nova_lite.rpc import scheduler as scheduler_rpc
from nova_lite.rpc import transport
from nova_lite.scheduler import manager


class Endpoint(scheduler_rpc.SchedulerEndpoint):
    """The manager as others see it: its errors are answers."""

    def __init__(self, scheduler: manager.SchedulerManager) -> None:
        self._scheduler = scheduler

    @transport.expected_errors
    def select_destinations(
        self,
        ctxt: context.RequestContext,
        request_specs: list[objects.RequestSpec],
        alternates: int,
    ) -> list[list[objects.Selection]]:
        """See :meth:`~nova_lite.scheduler.manager.SchedulerManager.select_destinations`."""
        return self._scheduler.select_destinations(ctxt, request_specs, alternates)

    def explain_destinations(
        self, ctxt: context.RequestContext, request_spec: objects.RequestSpec
    ) -> list[objects.HostVerdict]:
        """See :meth:`~nova_lite.scheduler.manager.SchedulerManager.explain_destinations`."""
        return self._scheduler.explain_destinations(ctxt, request_spec)


class SchedulerService:
    """Answers select_destinations; reports that it is alive."""

    def __init__(
        self, conf: cfg.ConfigOpts, database: session.Database, bus: transport.Transport
    ) -> None:
        self._conf = conf
        self._database = database
        self._bus = bus
        self._service = daemon.new_service(conf, service.SCHEDULER_BINARY)
        self._heartbeat = concurrency.Periodic("heartbeat", conf.report_interval_s, self._report)

    def start(self) -> None:
        """Serve."""
        self._report()
        endpoint = Endpoint(manager.SchedulerManager(self._conf, self._database))
        self._server = self._bus.serve(transport.SCHEDULER_TOPIC, self._conf.host, [endpoint])
        self._heartbeat.start()

    def stop(self) -> None:
        """Finish the questions that are here, and end."""
        self._heartbeat.stop()
        self._server.stop()
        self._server.wait()

    def _report(self) -> None:
        with self._database.api.read() as connection:
            services.report(connection, self._service)
