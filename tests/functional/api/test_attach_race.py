"""Attaches to one server at the same time, on databases that have many writers."""

import concurrent.futures
import pathlib
import threading
import typing

import pytest

from nova_lite.db.queries import block_devices
from tests.fixtures import databases
from tests.functional.api import conftest

CLIENTS = 20


@pytest.mark.parametrize("backend", ["mysql", "postgresql"])
def test_as_many_names_as_attaches(backend: str, tmp_path: pathlib.Path) -> None:
    """PAINS D2: nobody is told 500, and no name is given twice."""
    with databases.fresh_url(backend) as url:
        api = conftest.Api(tmp_path, database__connection=url)
        api.flavor()
        api.host()
        server = api.server()
        volumes = [api.volume() for _ in range(CLIENTS)]
        all_there = threading.Barrier(CLIENTS, timeout=60)
        real = api.cinder.get_volume.side_effect

        def wait_for_all(*args: typing.Any) -> typing.Any:
            all_there.wait()
            return real(*args)

        api.cinder.get_volume.side_effect = wait_for_all

        def attach(volume: str) -> typing.Any:
            body = {"volumeAttachment": {"volumeId": volume}}
            return api.call("POST", f"/servers/{server}/os-volume_attachments", body)

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(attach, volumes, timeout=60))
        assert [answer.status_code for answer in answers] == [200] * CLIENTS
        with api.database.cell.read() as tx:
            names = {device.device_name for device in block_devices.list_for_instance(tx, server)}
        assert len(names) == CLIENTS + 1
        api.database.dispose()


@pytest.mark.parametrize("backend", ["mysql", "postgresql"])
def test_one_volume_is_attached_once(backend: str, tmp_path: pathlib.Path) -> None:
    """PAINS D3: of many attaches of a volume to a server one is done."""
    with databases.fresh_url(backend) as url:
        api = conftest.Api(tmp_path, database__connection=url)
        api.flavor()
        api.host()
        server, volume = api.server(), api.volume()
        all_there = threading.Barrier(CLIENTS, timeout=60)
        real = block_devices.list_of_volume
        body = {"volumeAttachment": {"volumeId": volume}}

        def attach(_number: int) -> int:
            path = f"/servers/{server}/os-volume_attachments"
            return api.call("POST", path, body).status_code

        def wait_for_all(*args: typing.Any) -> typing.Any:
            found = real(*args)
            all_there.wait()
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(block_devices, "list_of_volume", wait_for_all)
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                answers = list(pool.map(attach, range(CLIENTS), timeout=60))
        assert sorted(answers) == [200, *[400] * (CLIENTS - 1)]
        api.database.dispose()
