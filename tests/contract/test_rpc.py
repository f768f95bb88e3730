"""Each side of every message says the same."""

import inspect
import typing

import pytest

from nova_lite.compute import manager as compute_manager
from nova_lite.conductor import manager as conductor_manager
from nova_lite.rpc import compute
from nova_lite.rpc import conductor
from nova_lite.rpc import scheduler
from nova_lite.scheduler import service as scheduler_service

SIDES = [
    (compute.ComputeClient, compute.ComputeEndpoint, compute_manager.ComputeManager),
    (conductor.ConductorClient, conductor.ConductorEndpoint, conductor_manager.ConductorManager),
    (scheduler.SchedulerClient, scheduler.SchedulerEndpoint, scheduler_service.Endpoint),
]


def messages(side: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(undecorated(method))
        for name, method in inspect.getmembers(side, inspect.isfunction)
        if not name.startswith("_")
    }


def undecorated(method: typing.Any) -> typing.Any:
    """The method that oslo.messaging's expected_exceptions has wrapped."""
    for cell in method.__closure__ or ():
        if inspect.isfunction(cell.cell_contents):
            return cell.cell_contents
    return method


def arguments(signature: inspect.Signature, *, without: str = "") -> dict[str, typing.Any]:
    return {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if name not in ("self", without)
    }


@pytest.mark.parametrize(("client", "endpoint", "manager"), SIDES)
def test_client_and_endpoint_agree(client: type, endpoint: type, manager: type) -> None:
    sent, declared, received = messages(client), messages(endpoint), messages(manager)
    assert set(sent) == set(declared)
    assert set(declared) <= set(received)
    for name, signature in sent.items():
        # The host of a message to a compute is its address, no argument.
        address = "host" if client is compute.ComputeClient else ""
        assert arguments(signature, without=address) == arguments(declared[name]), name
        assert arguments(received[name]) == arguments(declared[name]), name
        assert signature.return_annotation == declared[name].return_annotation, name


@pytest.mark.parametrize(("client", "endpoint", "manager"), SIDES)
def test_versions_agree(client: typing.Any, endpoint: typing.Any, manager: type) -> None:
    assert endpoint.target.version == client.VERSION
    assert issubclass(manager, endpoint)


@pytest.mark.parametrize(("client", "endpoint", "manager"), SIDES)
def test_every_message_names_the_request(client: type, endpoint: type, manager: type) -> None:
    for name, signature in messages(client).items():
        assert list(signature.parameters)[1] == "ctxt", name


@pytest.mark.parametrize(("client", "endpoint", "manager"), SIDES)
def test_topics_are_our_own(client: typing.Any, endpoint: type, manager: type) -> None:
    """S1: on a broker that services share, nobody else reads these queues."""
    assert client.TOPIC.startswith("nova-lite-")
