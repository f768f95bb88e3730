"""The embedded services as one part of a process."""

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import daemon
from nova_lite.standalone import identity_service
from nova_lite.standalone import image_service
from nova_lite.standalone import volume_service


class EmbeddedServices:
    """Identity, image and volume services on the loopback address."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        daemon.ensure_state_path(conf)
        options = conf.standalone
        listen = options.listen
        identity = identity_service.make_app(
            conf,
            compute_url=f"http://{conf.api.bind_host}:{conf.api.bind_port}/v2.1",
            image_url=f"http://{listen}:{options.image_port}",
            volume_url=f"http://{listen}:{options.volume_port}/v3",
        )
        self._servers = [
            concurrency.WsgiServer(app, listen, port)
            for app, port in (
                (identity, options.identity_port),
                (image_service.make_app(conf), options.image_port),
                (volume_service.make_app(conf), options.volume_port),
            )
        ]

    def start(self) -> None:
        """Serve."""
        for server in self._servers:
            server.start()

    def stop(self) -> None:
        """Serve no more."""
        for server in self._servers:
            server.stop()
