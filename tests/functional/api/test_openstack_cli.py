"""The unmodified ``openstack`` command against the API, over real HTTP."""

import collections.abc
import contextlib
import json
import os
import subprocess
import sys
import threading
import typing
import wsgiref.simple_server

import pytest

from nova_lite.standalone import identity_service
from nova_lite.standalone import image_service
from tests.functional.api import conftest
from tests.functional.api import test_admin

Cli = collections.abc.Callable[..., str]


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(application: typing.Any) -> collections.abc.Iterator[str]:
    """Serve over HTTP from a thread; yields the URL."""
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, application, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def cli(api: conftest.Api) -> collections.abc.Iterator[Cli]:
    """Runs ``openstack`` with some words, and returns what it prints."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OS_")}
    program = os.path.join(os.path.dirname(sys.executable), "openstack")

    def run(*words: str) -> str:
        done = subprocess.run(
            [program, *words], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    images = image_service.make_app(api.conf)
    with serving(api.app) as compute_url, serving(images) as image_url:
        identity = identity_service.make_app(
            api.conf,
            compute_url=f"{compute_url}/v2.1",
            image_url=image_url,
            volume_url="http://127.0.0.1:1/v3",
        )
        with serving(identity) as identity_url:
            environment |= {
                "OS_AUTH_URL": f"{identity_url}/v3",
                "OS_USERNAME": "demo",
                "OS_PASSWORD": "demo",
                "OS_PROJECT_NAME": "demo",
                "OS_USER_DOMAIN_ID": "default",
                "OS_PROJECT_DOMAIN_ID": "default",
                "OS_IDENTITY_API_VERSION": "3",
                "PYTHONWARNINGS": "ignore",
            }
            yield run


def test_flavors(cli: Cli) -> None:
    cli("flavor", "create", "--ram", "64", "--disk", "1", "--vcpus", "1", "--id", "9", "tiny")
    cli("flavor", "set", "--property", "a=b", "--description", "d", "tiny")
    shown = json.loads(cli("flavor", "show", "tiny", "-f", "json"))
    assert (shown["id"], shown["properties"], shown["description"]) == ("9", {"a": "b"}, "d")
    cli("flavor", "unset", "--property", "a", "tiny")
    cli("flavor", "delete", "tiny")
    assert [row["Name"] for row in json.loads(cli("flavor", "list", "-f", "json"))] == ["f1"]


def test_what_administrators_look_at(api: conftest.Api, cli: Cli) -> None:
    test_admin.node(api)
    rows = json.loads(cli("compute", "service", "list", "-f", "json"))
    assert [(row["Binary"], row["State"]) for row in rows] == [("nova-compute", "up")]
    cli("compute", "service", "set", "--disable", "host1", "nova-compute")
    assert "disabled" in cli("compute", "service", "list", "-f", "json")
    assert "host1.example" in cli("hypervisor", "list", "-f", "json")
    assert "192.0.2.1" in cli("hypervisor", "show", "host1.example", "-f", "json")


def test_servers(api: conftest.Api, cli: Cli) -> None:
    server = api.server()
    assert server in cli("server", "list", "--no-name-lookup", "-f", "json")
    cli("server", "set", "--name", "new", "--property", "a=b", server)
    api.compute.get_console_output.return_value = "hello from the guest"
    assert "hello from the guest" in cli("console", "log", "show", "new")
    assert cli("server", "event", "list", "new", "-f", "json").strip() == "[]"
    assert cli("server", "volume", "list", "new", "-f", "json").strip() == "[]"
    api.host()
    cli("server", "delete", "new")
    api.compute.terminate_instance.assert_called_once()
