import os
import pathlib

import pytest

from nova_lite import conf as nova_lite_conf
from nova_lite import context
from nova_lite.api import policy

RULE = "os_compute_api:servers:create"


def test_a_changed_policy_file_counts_without_a_restart(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{RULE}": "!"\n')
    configuration = tmp_path / "nova_lite.conf"
    configuration.write_text(f"[oslo_policy]\npolicy_file = {file}\n")
    enforcer = policy.Enforcer(nova_lite_conf.new(files=[str(configuration)]))
    ctxt = context.RequestContext(user_id="u", project_id="p", roles=["member"])
    now = 1000.0
    monkeypatch.setattr(policy.time, "monotonic", lambda: now)
    assert not enforcer.can(ctxt, "servers:create")

    file.write_text(f'"{RULE}": "@"\n')
    os.utime(file, (2_000_000_000, 2_000_000_000))
    assert not enforcer.can(ctxt, "servers:create")
    now += policy.LOOK_INTERVAL_S
    assert enforcer.can(ctxt, "servers:create")
