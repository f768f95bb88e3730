"""Messages to the scheduler."""

import abc

import oslo_messaging

from nova_lite import context
from nova_lite import objects
from nova_lite.rpc import transport

VERSION = "1.0"


class SchedulerClient(transport.Client):
    """What the conductor asks of the scheduler."""

    TOPIC = transport.SCHEDULER_TOPIC
    VERSION = VERSION

    def select_destinations(
        self,
        ctxt: context.RequestContext,
        request_specs: list[objects.RequestSpec],
        alternates: int,
    ) -> list[list[objects.Selection]]:
        """A host for each spec, claimed, followed by its alternates.

        :raises nova_lite.exceptions.NoValidHost: for at least one there is none.
        :raises nova_lite.exceptions.RpcTimeout: the scheduler is silent.
        """
        return self._call(
            ctxt, "select_destinations", request_specs=request_specs, alternates=alternates
        )

    def explain_destinations(
        self, ctxt: context.RequestContext, request_spec: objects.RequestSpec
    ) -> list[objects.HostVerdict]:
        """What the scheduler thinks of each host now, suitable ones first;
        nothing is claimed.

        :raises nova_lite.exceptions.RpcTimeout: the scheduler is silent.
        """
        return self._call(ctxt, "explain_destinations", request_spec=request_spec)


class SchedulerEndpoint(abc.ABC):
    """The receiving side; the scheduler's manager implements it. What each
    message means is said at the client's method of the same name."""

    target = oslo_messaging.Target(version=VERSION)

    @abc.abstractmethod
    def select_destinations(
        self,
        ctxt: context.RequestContext,
        request_specs: list[objects.RequestSpec],
        alternates: int,
    ) -> list[list[objects.Selection]]: ...

    @abc.abstractmethod
    def explain_destinations(
        self, ctxt: context.RequestContext, request_spec: objects.RequestSpec
    ) -> list[objects.HostVerdict]: ...
