"""Many clients attach, detach, extend, move and delete at once, as they like: nobody
is told 500, everything comes to an end, nothing is doubled and nothing is left
(PAINS D2, D3, D6, D7, I1-I7)."""

import collections.abc
import random
import typing

import pytest

from nova_lite import concurrency
from nova_lite.db.queries import block_devices
from tests.fixtures import pipeline

CLIENTS = 6
ROUNDS = 20
MAX_PAUSE_S = 0.2
ANSWERS = {200, 202, 204, 207, 400, 404, 409}
"""What a client may be told; 503 only of what a test breaks."""


class Clients:
    """Each does one thing after the other, by dice."""

    def __init__(
        self, world: pipeline.World, seed: int, servers: list[str], volumes: list[str]
    ) -> None:
        self.world, self.servers, self.volumes = world, servers, volumes
        self.random = random.Random(seed)
        self.answers: list[tuple[str, int]] = []
        self.failures: list[BaseException] = []

    def run(self) -> None:
        threads = [concurrency.spawn(self._client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.wait()
        if self.failures:
            raise self.failures[0]

    def _client(self) -> None:
        try:
            for _ in range(ROUNDS):
                self._step()
        except BaseException as error:
            self.failures.append(error)

    def _step(self) -> None:
        acts: list[tuple[int, collections.abc.Callable[[str, str], int]]] = [
            (5, self._attach),
            (5, self._detach),
            (1, self._set_flag),
            (1, self._extended),
            (3, self._migrate),
        ]
        weights = [weight for weight, _ in acts]
        _, act = self.random.choices(acts, weights)[0]
        server, volume = self.random.choice(self.servers), self.random.choice(self.volumes)
        self.answers.append((act.__name__, act(server, volume)))
        concurrency.sleep(self.random.random() * MAX_PAUSE_S)

    def _nova(self, method: str, path: str, body: pipeline.Body | None = None) -> int:
        return self.world.request(method, f"{self.world.api_url}/v2.1{path}", body).status_code

    def _attach(self, server: str, volume: str) -> int:
        body = {"volumeAttachment": {"volumeId": volume}}
        return self._nova("POST", f"/servers/{server}/os-volume_attachments", body)

    def _detach(self, server: str, volume: str) -> int:
        return self._nova("DELETE", f"/servers/{server}/os-volume_attachments/{volume}")

    def _set_flag(self, server: str, volume: str) -> int:
        body = {"volumeAttachment": {"volumeId": volume, "delete_on_termination": False}}
        return self._nova("PUT", f"/servers/{server}/os-volume_attachments/{volume}", body)

    def _extended(self, server: str, volume: str) -> int:
        event = {"name": "volume-extended", "server_uuid": server, "tag": volume}
        return self._nova("POST", "/os-server-external-events", {"events": [event]})

    def _migrate(self, server: str, volume: str) -> int:
        host = self.random.choice(pipeline.volume_records.HOSTS)
        return self.world.request(
            "POST",
            f"{self.world.volume_url}/v3/volumes/{volume}/action",
            {"os-migrate_volume": {"host": host}},
        ).status_code


@pytest.mark.parametrize("seed", range(4))
def test_clients_without_manners(world: pipeline.World, seed: int) -> None:
    image = world.image()
    servers = [world.boot(image=image) for _ in range(3)]
    volumes = [world.volume(multiattach=number == 0) for number in range(3)]
    clients = Clients(world, seed, servers, volumes)
    clients.run()
    unexpected = [answer for answer in clients.answers if answer[1] not in ANSWERS]
    assert not unexpected, unexpected
    assert any(name == "_attach" and code == 200 for name, code in clients.answers)
    settle(world, volumes)
    world.check(volumes)
    # And all of it can be deleted, at once.
    threads = [concurrency.spawn(world.delete, server) for server in servers]
    for thread in threads:
        thread.wait()
    world.recover()
    settle(world, volumes)
    world.check(volumes)
    assert [world.volume_status(volume) for volume in volumes] == ["available"] * 3


@pytest.mark.parametrize("seed", range(2))
def test_deletes_in_the_middle(world: pipeline.World, seed: int) -> None:
    """D15, I7: whatever runs, a delete wins, and the volumes are free again."""
    image = world.image()
    servers = [world.boot(image=image) for _ in range(3)]
    volumes = [world.volume() for _ in range(3)]
    clients = Clients(world, 100 + seed, servers, volumes)
    deleting = [
        concurrency.spawn(world.nova, "DELETE", f"/servers/{server}") for server in servers[:2]
    ]
    clients.run()
    for thread in deleting:
        thread.wait()
    world.recover()
    settle(world, volumes)
    assert [s["id"] for s in world.nova("GET", "/servers/detail")["servers"]] == servers[2:]
    world.check(volumes)


def test_twenty_attaches_at_once(
    one_host: pipeline.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: each gets a name, however many others read the same devices before it writes."""
    server_id = one_host.boot(image=one_host.image())
    volume_ids = [one_host.volume() for _ in range(20)]
    real = block_devices.list_for_instance

    def over_a_network(*args: typing.Any) -> typing.Any:
        found = real(*args)
        concurrency.sleep(0.002)
        return found

    monkeypatch.setattr(block_devices, "list_for_instance", over_a_network)
    threads = [concurrency.spawn(one_host.attach, server_id, v) for v in volume_ids]
    for thread in threads:
        thread.wait()
    one_host.wait(one_host.is_quiet, "the attaches")
    names = {one_host.device(server_id, volume_id).device_name for volume_id in volume_ids}
    assert len(names) == 20
    one_host.check(volume_ids)


def settle(world: pipeline.World, volumes: list[str]) -> None:
    """Until Cinder moves nothing any more and nothing is under way here."""

    def quiet() -> bool:
        found = [world.cinder("GET", f"/volumes/{volume}")["volume"] for volume in volumes]
        moving = any(v["migration_status"] not in (None, "success", "error") for v in found)
        return not moving and world.is_quiet()

    world.wait(quiet, f"rest: {world.journal()}")
