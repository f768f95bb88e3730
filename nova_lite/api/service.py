"""The API's process, when it serves HTTP itself."""

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite.api import app
from nova_lite.api import request
from nova_lite.db import session
from nova_lite.image import glance
from nova_lite.rpc import compute
from nova_lite.rpc import conductor
from nova_lite.rpc import scheduler
from nova_lite.rpc import transport
from nova_lite.volume import cinder


def make_app(
    conf: cfg.ConfigOpts, database: session.Database, bus: transport.Transport
) -> concurrency.WsgiApplication:
    """The API with everything it works with."""
    return app.make_app(
        request.Services(
            conf=conf,
            database=database,
            conductor=conductor.ConductorClient(bus),
            scheduler=scheduler.SchedulerClient(bus),
            compute=compute.ComputeClient(bus),
            cinder=cinder.CinderClient(conf),
            glance=glance.GlanceClient(conf),
        )
    )


class ApiService:
    """Serves the API on ``[api] bind_host``."""

    def __init__(
        self, conf: cfg.ConfigOpts, database: session.Database, bus: transport.Transport
    ) -> None:
        self._server = concurrency.WsgiServer(
            make_app(conf, database, bus), str(conf.api.bind_host), conf.api.bind_port
        )

    def start(self) -> None:
        """Serve."""
        self._server.start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.stop()
