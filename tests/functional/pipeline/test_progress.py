"""D1: who waits for a volume sees how far it is, before its end."""

import pytest

from tests.fixtures import pipeline


def action_of(world: pipeline.World, server_id: str, name: str) -> pipeline.Body:
    """An action as an ordinary user sees it."""
    path = f"/servers/{server_id}/os-instance-actions"
    found = world.nova("GET", path, admin=False)["instanceActions"]
    request_id = next(entry["request_id"] for entry in found if entry["action"] == name)
    answer = world.nova("GET", f"{path}/{request_id}", admin=False)
    return dict(answer["instanceAction"])


@pytest.mark.parametrize(
    ("verb", "call", "message", "done"),
    [
        ("attach_volume", "volumes.plug", "Step 3 of 4: plug", ["connect_volume"]),
        ("detach_volume", "volumes.unplug", "Step 1 of 2: unplug", []),
        ("extend_volume", "volumes.extend", "Step 2 of 2: extend_disk", ["read_volume"]),
        ("swap_volume", "volumes.swap", "Step 3 of 6: copy", ["connect_volume"]),
    ],
)
def test_a_running_action_says_where_it_is(
    one_host: pipeline.World, verb: str, call: str, message: str, done: list[str]
) -> None:
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    if verb != "attach_volume":
        one_host.attached(server_id, volume_id)
    release = one_host.hosts["a"].faults.hang(call, times=1)
    start = {
        "attach_volume": lambda: one_host.attach(server_id, volume_id),
        "detach_volume": lambda: one_host.detach(server_id, volume_id),
        "extend_volume": lambda: one_host.extend(volume_id, 2),
        "swap_volume": lambda: one_host.migrate(volume_id),
    }[verb]
    start()

    def seen() -> bool:
        action = action_of(one_host, server_id, verb)
        events = [(e["event"], e["result"]) for e in action["events"]]
        finished = [name for name, result in events if result == "Success"]
        under_way = [name for name, result in events if result is None]
        return (
            str(action["message"]).startswith(message)
            and finished == done
            and under_way == [message.rpartition(" ")[2]]
        )

    one_host.wait(seen, f"{message!r}: {action_of(one_host, server_id, verb)}")
    release()
    one_host.wait(one_host.is_quiet, "the end of it")
    action = action_of(one_host, server_id, verb)
    assert action["message"] is None
    assert all(event["result"] == "Success" for event in action["events"])
    one_host.check([volume_id])
