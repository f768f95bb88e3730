import collections.abc
import pathlib
import threading

import oslo_messaging
import pytest

import nova_lite.conf
from nova_lite import context
from nova_lite import exceptions
from nova_lite.rpc import conductor
from nova_lite.rpc import transport

PATIENCE_S = 60
CTXT = context.RequestContext(overwrite=False)


@pytest.fixture
def client() -> collections.abc.Iterator[conductor.ConductorClient]:
    conf = nova_lite.conf.new(files=[], rpc__response_timeout_s=1)
    transport.set_default_url(conf, "fake://")
    bus = transport.Transport(conf)
    yield conductor.ConductorClient(bus)
    bus.close()


def test_nobody_answers(client: conductor.ConductorClient) -> None:
    with pytest.raises(exceptions.RpcTimeout, match="did not answer 'get_host_work'"):
        client.get_host_work(CTXT, "a", [], [])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (oslo_messaging.MessageDeliveryFailure("amqp://user:password@host"), "cannot be reached"),
        (
            oslo_messaging.RemoteError("OperationalError", "password", "traceback"),
            "OperationalError at 'get_host_work'",
        ),
    ],
)
def test_what_may_be_tried_again(
    client: conductor.ConductorClient,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    message: str,
) -> None:
    """A broker or a database that is away is no reason to tear a server down, and
    no foreign text reaches users."""

    def call(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(client._client, "call", call)
    with pytest.raises(exceptions.RemoteServiceError, match=message) as caught:
        client.get_host_work(CTXT, "a", [], [])
    assert "password" not in caught.value.message


def test_a_cast_without_a_broker_is_only_logged(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Law 1: the intent is in the database. Who asked does not wait for the broker."""
    conf = nova_lite.conf.new(files=[], default__state_path=str(tmp_path))
    transport.set_default_url(conf, "rabbit://user:password@127.0.0.1:1/")
    bus = transport.Transport(conf)
    client = conductor.ConductorClient(bus)
    sending = threading.Thread(
        target=client.report_power_state, args=(CTXT, "a server", 1), daemon=True
    )
    sending.start()
    sending.join(PATIENCE_S)
    assert not sending.is_alive()
    assert "it will be taken up from the database" in caplog.text
    assert "password" not in caplog.text
    bus.close()
