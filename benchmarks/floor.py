"""What the broker and the database cost by themselves.

``python -m benchmarks.floor TRANSPORT_URL DATABASE_URL`` prints two numbers of
milliseconds (medians): an oslo.messaging call's round trip between two
processes, and a one-row insert with its commit. Both on green threads and with
the driver settings of the daemons, but with none of their code.
"""

from nova_lite import concurrency

concurrency.monkey_patch()

import signal  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import oslo_messaging  # noqa: E402
import sqlalchemy as sa  # noqa: E402

from nova_lite import conf as nova_conf  # noqa: E402
from nova_lite.rpc import transport  # noqa: E402

TOPIC = "benchmark-floor"
REPETITIONS = 300
WARM_UP = 30


class _Echo:
    def echo(self, _ctxt: object, text: str) -> str:
        return text


def _messaging(url: str) -> oslo_messaging.Transport:
    conf = nova_conf.new(files=[])
    transport.set_default_url(conf, url)
    bus = transport.Transport(conf)
    conf.set_override("rabbit_quorum_queue", True, "oslo_messaging_rabbit")
    return bus.messaging


def serve(url: str) -> None:
    """The other side of the call; ends on SIGTERM."""
    target = oslo_messaging.Target(topic=TOPIC, server="floor")
    server = oslo_messaging.get_rpc_server(_messaging(url), target, [_Echo()])
    server.start()
    print("READY", flush=True)
    concurrency.wait_for_signal(signal.SIGTERM)


def call_ms(url: str) -> float:
    """Median round trip."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.floor", "serve", url],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        client = oslo_messaging.get_rpc_client(
            _messaging(url), oslo_messaging.Target(topic=TOPIC), timeout=10
        )
        value = _median_ms(lambda: client.call({}, "echo", text="x" * 100))
        process.terminate()
    return value


def commit_ms(url: str) -> float:
    """Median insert and commit."""
    engine = sa.create_engine(url, isolation_level="READ COMMITTED")
    table = sa.Table(
        "benchmark_floor",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("text", sa.String(100)),
    )
    table.create(engine)

    def insert() -> None:
        with engine.begin() as connection:
            connection.execute(table.insert(), {"text": "x" * 100})

    try:
        return _median_ms(insert)
    finally:
        table.drop(engine)
        engine.dispose()


def _median_ms(function: object) -> float:
    assert callable(function)
    times = []
    for _ in range(WARM_UP + REPETITIONS):
        began = time.perf_counter()
        function()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[WARM_UP:])


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        print(call_ms(sys.argv[1]), commit_ms(sys.argv[2]), flush=True)
