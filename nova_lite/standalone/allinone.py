"""Everything on one machine in one process: the four services, an in-memory
message bus, SQLite, and the embedded identity, image and volume services.

The code paths are those of the four daemons; only configuration differs.
"""

import logging

from oslo_config import cfg

from nova_lite import daemon
from nova_lite.api import service as api_service
from nova_lite.compute import service as compute_service
from nova_lite.conductor import service as conductor_service
from nova_lite.db import migrations
from nova_lite.db import session
from nova_lite.rpc import transport
from nova_lite.scheduler import service as scheduler_service
from nova_lite.standalone import embedded

LOG = logging.getLogger(__name__)


def configure(conf: cfg.ConfigOpts) -> None:
    """Settings that make the services find each other on this machine; what a
    configuration file says is kept."""
    listen = conf.standalone.listen
    image_url = f"http://{listen}:{conf.standalone.image_port}"
    volume_url = f"http://{listen}:{conf.standalone.volume_port}/v3"
    for name, group, value in (
        ("auth_strategy", "api", "noauth"),
        ("auth_type", "cinder", "none"),
        ("endpoint_url", "cinder", volume_url),
        ("auth_type", "glance", "none"),
        ("endpoint_url", "glance", image_url),
    ):
        conf.set_default(name, value, group)
    transport.set_default_url(conf, "fake://")


class AllInOne:
    """All services of one machine."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        configure(conf)
        daemon.ensure_state_path(conf)
        migrations.sync(conf)
        self._database = session.Database(conf)
        self._bus = transport.Transport(conf)
        self.compute = compute_service.ComputeService(conf, self._bus)
        self._parts: list[daemon.Part] = [
            embedded.EmbeddedServices(conf),
            conductor_service.ConductorService(conf, self._database, self._bus),
            scheduler_service.SchedulerService(conf, self._database, self._bus),
            self.compute,
            api_service.ApiService(conf, self._database, self._bus),
        ]

    def start(self) -> None:
        """Start everything; the API last, so that who can ask is answered."""
        for part in self._parts:
            part.start()

    def stop(self) -> None:
        """Stop everything, the API first."""
        LOG.info("Messages on the bus: %d", self._bus.undelivered())
        for part in reversed(self._parts):
            part.stop()
        self._bus.close()
        self._database.dispose()
