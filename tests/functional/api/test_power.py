"""``os-stop`` and ``os-start``, as far as the API goes."""

import pytest

from tests.functional.api import conftest
from tests.functional.api import test_policy_matrix


def act(api: conftest.Api, server_id: str, action: str, **how: object) -> int:
    body = {action: how.pop("argument", None)}
    result = api.call("POST", f"/servers/{server_id}/action", body, **how)  # type: ignore[arg-type]
    return int(result.status_code)


def test_stop_is_recorded_and_sent(api: conftest.Api) -> None:
    """S2: the host is told, and the server shows what is done to it."""
    api.host()
    server_id = api.server()
    assert act(api, server_id, "os-stop") == 202
    (_, host, instance, operation) = api.compute.stop_instance.call_args.args
    assert (host, instance.uuid, operation.action) == ("host1", server_id, "stop")
    server = api.get(f"/servers/{server_id}")["server"]
    assert server["OS-EXT-STS:task_state"] == "powering-off"
    actions = api.get(f"/servers/{server_id}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in actions] == ["stop"]


def test_start_is_recorded_and_sent(api: conftest.Api) -> None:
    api.host()
    server_id = api.server(vm_state="stopped")
    assert api.get(f"/servers/{server_id}")["server"]["status"] == "SHUTOFF"
    assert act(api, server_id, "os-start", argument={}) == 202
    assert api.compute.start_instance.call_args.args[3].action == "start"
    server = api.get(f"/servers/{server_id}")["server"]
    assert server["OS-EXT-STS:task_state"] == "powering-on"


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("os-stop", {"vm_state": "stopped"}),
        ("os-stop", {"vm_state": "active", "task_state": "powering-off"}),
        ("os-stop", {"vm_state": "error", "launched_at": None}),
        ("os-stop", {"vm_state": "active", "host": None}),
        ("os-start", {"vm_state": "active"}),
        ("os-start", {"vm_state": "stopped", "task_state": "deleting"}),
    ],
)
def test_states_that_do_not_allow_it(
    api: conftest.Api, action: str, fields: dict[str, object]
) -> None:
    """RULES B8: 409."""
    api.host()
    assert act(api, api.server(**fields), action) == 409
    api.compute.stop_instance.assert_not_called()
    api.compute.start_instance.assert_not_called()


def test_a_server_in_error_that_ran_can_be_stopped(api: conftest.Api) -> None:
    """RULES B8."""
    api.host()
    assert act(api, api.server(vm_state="error"), "os-stop") == 202


def test_a_host_that_is_down(api: conftest.Api) -> None:
    api.host()
    server_id = api.server()
    api.silence("host1")
    assert act(api, server_id, "os-stop") == 409
    server = api.get(f"/servers/{server_id}")["server"]
    assert server["OS-EXT-STS:task_state"] is None


def test_who_may(api: conftest.Api) -> None:
    api.host()
    for action, state in (("os-stop", "active"), ("os-start", "stopped")):
        server_id = api.server(vm_state=state)
        assert act(api, server_id, action, headers=test_policy_matrix.READER) == 403
        assert act(api, server_id, action, headers=test_policy_matrix.STRANGER) == 404
        assert act(api, server_id, "lock") == 202
        assert act(api, server_id, action, headers=test_policy_matrix.MEMBER) == 409
        assert act(api, server_id, "unlock") == 202
        assert act(api, server_id, action, headers=test_policy_matrix.MEMBER) == 202


def test_a_body_with_more_is_refused(api: conftest.Api) -> None:
    api.host()
    server_id = api.server()
    body = {"os-stop": None, "more": 1}
    assert api.call("POST", f"/servers/{server_id}/action", body).status_code == 400
