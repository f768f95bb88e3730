"""oslo.messaging, set up for nova_lite."""

import collections.abc
import logging
import typing

import kombu.exceptions
import oslo_messaging
from oslo_config import cfg
from oslo_messaging import server as oslo_messaging_server
from oslo_messaging import transport as oslo_messaging_transport
from oslo_messaging._drivers import amqpdriver
from oslo_messaging._metrics import client as metrics
from oslo_messaging._tracing import client as tracing
from oslo_versionedobjects import base as object_base

from nova_lite import context
from nova_lite import exceptions
from nova_lite.objects import wire

LOG = logging.getLogger(__name__)

CONDUCTOR_TOPIC = "nova-lite-conductor"
SCHEDULER_TOPIC = "nova-lite-scheduler"
COMPUTE_TOPIC = "nova-lite-compute"


# How often the consuming thread looks whether a message is to be acknowledged:
# after this time, twice of it, four times ... up to 5 s, after each message. With
# the library's 1 ms these looks cost a quarter of the processor time of a boot. Nobody waits
# for an acknowledgement, and a message that comes is handled at once either way.
amqpdriver.ACK_REQUEUE_EVERY_SECONDS_MIN = 0.25

# Ours are durable. In the library's default one, which every service uses that names
# none, a service with other queues than ours could not connect any more (406
# PRECONDITION_FAILED), or we could not.
oslo_messaging.set_transport_defaults(control_exchange="nova-lite")

SENDING_CONNECTIONS = 10
"""A connection is busy until the broker has confirmed one message, and then free;
the library's 30 of them cost a daemon 4 MB of buffers after a burst."""

CAST_RETRIES = 2
"""How often a broker that cannot be reached is tried again for a cast. The library's way
is for ever, and who asked would wait for that; what is cast is in the database anyway."""

_UNDELIVERED = (oslo_messaging.MessageDeliveryFailure, kombu.exceptions.OperationalError)
"""The broker cannot be reached; the second one comes when there was no connection before."""

expected_errors = oslo_messaging.expected_exceptions(exceptions.NovaLiteError)
"""Decorates endpoint methods that answer with errors of ours: they reach the
caller as they are, and are no failure of the server worth a traceback."""


class _ObjectSerializer(object_base.VersionedObjectSerializer):
    OBJ_BASE_CLASS = wire.WireObject


class _Serializer(oslo_messaging.Serializer):
    """Versioned objects in messages, and our request context beside them."""

    def __init__(self) -> None:
        self._objects = _ObjectSerializer()

    def serialize_entity(self, context: typing.Any, entity: typing.Any) -> typing.Any:
        return self._objects.serialize_entity(context, entity)

    def deserialize_entity(self, context: typing.Any, entity: typing.Any) -> typing.Any:
        return self._objects.deserialize_entity(context, entity)

    def serialize_context(self, context: context.RequestContext) -> dict[str, typing.Any]:
        return context.to_dict()

    def deserialize_context(self, values: dict[str, typing.Any]) -> context.RequestContext:
        return context.RequestContext.from_dict(values)


class Client:
    """What the client classes of this package share: calls and casts of one
    version to one topic, with a timeout."""

    TOPIC: typing.ClassVar[str]
    VERSION: typing.ClassVar[str]

    def __init__(self, transport: "Transport") -> None:
        self._transport = transport
        self._client = oslo_messaging.get_rpc_client(
            transport.messaging,
            oslo_messaging.Target(topic=self.TOPIC, version=self.VERSION),
            serializer=_Serializer(),
            timeout=transport.response_timeout_s,
        )

    def _call(
        self,
        ctxt: context.RequestContext,
        method: str,
        *,
        server: str | None = None,
        timeout_s: float | None = None,
        retry: int | None = None,
        **arguments: typing.Any,
    ) -> typing.Any:
        """Ask and wait.

        :param retry: how often a broker that cannot be reached is tried again; by
            default for ever, as daemons do.
        :raises nova_lite.exceptions.RemoteServiceError: no answer in time, or
            the broker cannot be reached.
        """
        client = self._client
        wanted = {"server": server, "timeout": timeout_s, "retry": retry}
        options = {name: value for name, value in wanted.items() if value is not None}
        if options:
            client = client.prepare(**options)
        try:
            return client.call(ctxt, method, **arguments)
        except oslo_messaging.MessagingTimeout as error:
            raise exceptions.RpcTimeout(service=self.TOPIC, method=method) from error
        except _UNDELIVERED as error:
            raise exceptions.RemoteServiceError(
                service="The message broker", reason="it cannot be reached"
            ) from error
        except oslo_messaging.RemoteError as error:
            # Not one of our errors: its database is away, or it has a bug. Its
            # log has the traceback.
            raise exceptions.RemoteServiceError(
                service=self.TOPIC, reason=f"{error.exc_type} at '{method}'"
            ) from error

    def _cast(
        self,
        ctxt: context.RequestContext,
        method: str,
        *,
        server: str | None = None,
        **arguments: typing.Any,
    ) -> None:
        """Wake somebody up. An undelivered cast is only logged: the intent is
        in the database, where the reaper finds it."""
        target = {"server": server} if server else {}
        client = self._client.prepare(retry=CAST_RETRIES, **target)
        try:
            client.cast(ctxt, method, **arguments)
        except (oslo_messaging.MessagingException, *_UNDELIVERED) as error:
            LOG.warning(
                "Could not send %s to %s (%s); it will be taken up from the database",
                method,
                server or self.TOPIC,
                type(error).__name__,
            )


class Transport:
    """One connection to the broker, for a whole process."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self.response_timeout_s = conf.rpc.response_timeout_s
        if oslo_messaging.TransportURL.parse(conf).transport == "rabbit":
            from oslo_messaging._drivers import impl_rabbit

            cfg.set_defaults(impl_rabbit.rabbit_opts, rpc_conn_pool_size=SENDING_CONNECTIONS)
        self.messaging = oslo_messaging.get_rpc_transport(
            conf, allowed_remote_exmods=[exceptions.__name__]
        )
        _register_global_groups(conf)
        conf.register_opts(oslo_messaging_server._pool_opts)
        conf.set_override("executor_thread_pool_size", conf.rpc.executor_threads)

    def serve(
        self, topic: str, host: str, endpoints: collections.abc.Sequence[object]
    ) -> oslo_messaging.MessageHandlingServer:
        """Start to handle the messages of a topic for this host."""
        server = oslo_messaging.get_rpc_server(
            self.messaging,
            oslo_messaging.Target(topic=topic, server=host),
            list(endpoints),
            serializer=_Serializer(),
        )
        server.start()
        return server

    def undelivered(self) -> int:
        """Messages that wait on the in-memory bus of one process.

        The library has no call for it, so this reads the queues of its
        in-memory driver (``fake://``).
        """
        exchanges = self.messaging._driver._exchange_manager._exchanges.values()
        return sum(
            len(queue)
            for exchange in exchanges
            for queues in (exchange._topic_queues, exchange._server_queues)
            for queue in queues.values()
        )

    def close(self) -> None:
        """Disconnect."""
        self.messaging.cleanup()


def set_default_url(conf: cfg.ConfigOpts, url: str) -> None:
    """The transport to use when the configuration names none."""
    conf.register_opts(oslo_messaging_transport._transport_opts)
    conf.set_default("transport_url", url)


def _register_global_groups(conf: cfg.ConfigOpts) -> None:
    """The library reads two groups from whatever configuration it is given,
    but registers them on the global one only."""
    conf.register_opts(metrics.oslo_messaging_metrics, group="oslo_messaging_metrics")
    conf.register_opts(tracing.oslo_messaging_tracing, group="oslo_messaging_tracing")
