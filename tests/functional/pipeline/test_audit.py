"""Audits of a whole world: what is wrong is found, and nothing else is."""

import json

import pytest

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.audit import kinds
from nova_lite.audit import looks
from nova_lite.audit import repair
from nova_lite.audit import report
from nova_lite.db.queries import allocations
from nova_lite.db.queries import audit as audit_queries
from nova_lite.db.queries import operations
from tests.fixtures import pipeline
from tests.functional.pipeline import drift
from tests.functional.pipeline import scenarios


@pytest.fixture
def scene(world: pipeline.World) -> drift.Scene:
    scene = drift.Scene.prepared(world)
    assert found_in(world.audit()) == []
    return scene


def found_in(result: looks.Result) -> list[str]:
    return [each.kind for each in result.findings]


def test_every_kind_has_a_seed() -> None:
    assert set(drift.SEEDS) == set(kinds.KINDS)


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_drift_is_found_and_nothing_else(scene: drift.Scene, kind: str) -> None:
    """D1, D16, D18, D20, D24, D31; and what can be repaired is."""
    drift.SEEDS[kind](scene)
    result = scene.world.audit()
    assert set(found_in(result)) == {kind}, report.text(result)
    is_note = kinds.KINDS[kind].severity == "note"
    assert result.is_clean is is_note
    shown = report.text(result)
    assert all(len(line) <= report.WIDTH for line in shown.splitlines()), shown
    assert kind in json.dumps(report.json_value(result))
    if kind in repair.REPAIRABLE:
        check_repair(scene.world, result, kind)


@pytest.mark.parametrize("refused_once", [False, True])
@pytest.mark.parametrize("kind", ["volume-missing", "attachment-missing"])
def test_what_cinder_does_not_have_can_be_detached(
    scene: drift.Scene, kind: str, refused_once: bool
) -> None:
    """As the audit advises; if the guest does not let go at first, the second time."""
    world, server_id, volume_id = scene.world, scene.server_id, scene.volume_id
    drift.SEEDS[kind](scene)
    assert found_in(world.audit()) == [kind]
    if refused_once:
        refusal = exceptions.DeviceDetachRefused(device="vdb", attempts=8)
        world.hosts["a"].faults.fail("volumes.unplug", refusal, times=1)
        world.detach(server_id, volume_id)
        world.wait(world.is_quiet, "the refusal")
        assert found_in(world.audit()) == [kind]
    world.detach(server_id, volume_id)
    world.wait(world.is_quiet, "the detach")
    assert volume_id not in scene.guest.volumes
    assert world.device(server_id, volume_id) is None
    assert found_in(world.audit()) == []
    world.check({scene.other_volume_id, scene.spare_id, volume_id} & volumes_of(world))


def volumes_of(world: pipeline.World) -> set[str]:
    return {volume["id"] for volume in world.cinder("GET", "/volumes")["volumes"]}


def check_repair(world: pipeline.World, result: looks.Result, kind: str) -> None:
    """A second audit finds nothing; what was done is in the server's journal."""
    repairer = repair.Repairer(world.collector())
    done = repairer.repair(result.findings, {kind})
    assert [each.error for each in done] == [None] * len(result.findings)
    world.wait(lambda: not world.audit().findings, "a clean audit")
    subject = result.findings[0].subject("server")
    if subject in world.nova_ids():
        with world.database.cell.read() as tx:
            newest = operations.list_for_instance(tx, subject)[0]
        assert newest.action == repair.ACTION
        assert newest.message.endswith("Repaired")
        assert newest.message == f"{kinds.KINDS[kind].title}. Repaired"
        check_shown(world, result.findings[0].says, str(subject), newest.request_id)
    again = repairer.repair(result.findings, {kind})
    assert [each.error for each in again] == [None] * len(again)


def check_shown(world: pipeline.World, says: str, server_id: str, request_id: str) -> None:
    """The server's journal can be read, and names the repair; what names hosts is for
    administrators."""
    url = f"/servers/{server_id}/os-instance-actions"
    (listed, *_) = world.nova("GET", url)["instanceActions"]
    shown = world.nova("GET", f"{url}/{request_id}")["instanceAction"]
    assert listed["request_id"] == request_id
    assert {listed["action"], shown["action"]} == {repair.ACTION}
    assert [event["details"] for event in shown["events"]] == [says]
    seen = world.nova("GET", f"{url}/{request_id}", admin=False)["instanceAction"]
    assert says not in json.dumps(seen)


def test_a_repair_of_what_is_not_safe_is_refused(scene: drift.Scene) -> None:
    """B12: an attachment whose volume a guest has is never deleted."""
    drift.attachment_of_nobody(scene)
    scene.guest.volumes[scene.spare_id] = "vdz"
    world = scene.world
    result = world.audit()
    done = repair.Repairer(world.collector()).repair(result.findings, set(repair.REPAIRABLE))
    assert [each.error for each in done] == ["this one needs a person to decide"]
    assert world.volume_status(scene.spare_id) == "reserved"


def test_a_silent_host_is_no_proof(scene: drift.Scene) -> None:
    """What it may have is unknown: nothing is missing, and no attachment is deleted."""
    drift.attachment_of_nobody(scene)
    scene.world.declare_down("b")
    result = scene.world.audit()
    assert sorted(found_in(result)) == ["attachment-of-nobody", "host-silent"]
    done = repair.Repairer(scene.world.collector()).repair(result.findings, set(repair.REPAIRABLE))
    assert [each.error for each in done] == ["this one needs a person to decide"]


def test_a_host_that_does_not_answer_is_named(scene: drift.Scene) -> None:
    scene.world.hosts["b"].service._server.stop()
    assert found_in(scene.world.audit()) == ["host-silent"]


def test_the_conductor_audits_by_itself(
    scene: drift.Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """It logs how many findings of which kind there are, and repairs nothing."""
    audits = scene.world.conductor.service.audits
    with caplog.at_level("INFO", logger="nova_lite.conductor.audits"):
        assert audits.run().is_clean
        drift.power_state(scene)
        drift.allocation_of_nobody(scene)
        audits._pause_s = 0.0
        audits.run()
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0] == "Audit: nothing disagrees"
    assert messages[-1].startswith("Audit: 1 power-state, 1 allocation-of-nobody.")
    assert len(scene.world.audit().findings) == 2


def test_a_finding_that_went_by_itself_is_not_repaired(scene: drift.Scene) -> None:
    drift.attachment_of_nobody(scene)
    world = scene.world
    result = world.audit()
    attachment_id = result.findings[0].subject("attachment")
    world.cinder("DELETE", f"/attachments/{attachment_id}")
    volume_id = scene.spare_id
    world.attach(scene.server_id, volume_id)
    world.wait(lambda: world.volume_status(volume_id) == "in-use", "the attach")
    world.wait(world.is_quiet, "rest")
    done = repair.Repairer(world.collector()).repair(result.findings, set(repair.REPAIRABLE))
    assert [each.error for each in done] == [None]
    assert world.volume_status(volume_id) == "in-use"


def test_a_repair_that_fails_says_why(scene: drift.Scene) -> None:
    drift.attachment_of_nobody(scene)
    world = scene.world
    result = world.audit()
    world.cinder_fault("attachments.delete", "fail", status=409)
    collector = world.collector()
    done = repair.Repairer(collector).repair(result.findings, set(repair.REPAIRABLE))
    assert done[0].error
    assert "not repaired" in report.text(world.audit(), done)


def test_servers_that_are_stopped_or_failed_are_no_drift(scene: drift.Scene) -> None:
    world = scene.world
    world.stop(scene.server_id)
    for host in world.hosts.values():
        host.faults.fail("guests.spawn", exceptions.HypervisorError(reason="no"))
    failed = world.create(pipeline.bootable(scene.spare_id))
    assert world.settled(failed)["status"] == "ERROR"
    world.wait(world.is_quiet, "rest")
    assert found_in(world.audit()) == []


def test_a_claim_that_comes_when_the_build_has_failed_is_given_back(scene: drift.Scene) -> None:
    """By a scheduler that was slow: the server is on no host, and holds some of one."""
    world = scene.world
    for host in world.hosts.values():
        host.faults.fail("guests.spawn", exceptions.HypervisorError(reason="no"))
    failed = world.create(pipeline.bootable(scene.spare_id))
    assert world.settled(failed)["status"] == "ERROR"
    world.wait(world.is_quiet, "rest")
    drift.claim(scene, failed, "a")
    result = world.audit()
    assert found_in(result) == ["allocation-differs"]
    check_repair(world, result, "allocation-differs")
    with world.database.api.read() as tx:
        assert allocations.get_for_consumer(tx, failed) == []


def test_the_scope(scene: drift.Scene) -> None:
    drift.disk_not_in_guest(scene)
    world = scene.world
    assert found_in(world.audit(server=scene.server_id)) == ["disk-not-in-guest"]
    assert found_in(world.audit(server=scene.other_id)) == []
    assert found_in(world.audit(host="a")) == ["disk-not-in-guest"]
    assert found_in(world.audit(host="b")) == []


@pytest.mark.parametrize("story", scenarios.STORIES)
def test_work_under_way_is_no_drift(one_host: pipeline.World, story: str) -> None:
    """At every call that a host makes to the outside, a look sees nothing."""
    scene = scenarios.STORIES[story](one_host)
    faults = one_host.hosts["a"].faults
    seen: dict[str, list[str]] = {}
    collector = one_host.collector()
    for call in scenarios.OF_A_HOST[story]:
        if call.startswith("conductor."):
            continue
        for after in (False, True):

            def look(*_a: object, _name: str = f"{call} {after}", **_k: object) -> None:
                seen[_name] = [each.says for each in looks.compare(collector.look())]

            faults.on_call(call, look, after=after, times=1)
    scene.act()
    one_host.wait(lambda: seen and one_host.is_quiet(), "the end of it")
    assert seen
    assert not any(seen.values()), seen
    assert found_in(one_host.audit()) in ([], ["volume-unattached"])


def test_a_busy_system_is_clean(world: pipeline.World) -> None:
    """Builds, attaches, detaches and deletes all the time; audits all the while."""
    image_id = world.image()
    volumes = [world.volume() for _ in range(3)]
    stop: list[bool] = []
    rounds: list[int] = []

    def at_rest(server_id: str) -> bool:
        with world.database.cell.read() as tx:
            running = audit_queries.busy_servers(tx)
        return server_id not in running

    def go_round(volume_id: str) -> None:
        server_id = world.boot(image=image_id)
        world.attach(server_id, volume_id)
        world.wait(lambda: at_rest(server_id), "the attach")
        world.detach(server_id, volume_id)
        world.wait(lambda: world.volume_status(volume_id) == "available", "the detach")
        world.delete(server_id)
        world.delete(world.boot(pipeline.new_root(image_id)))

    def work(volume_id: str) -> None:
        while not stop:
            go_round(volume_id)
            rounds.append(1)

    workers = [concurrency.spawn(work, volume_id) for volume_id in volumes]
    results = []
    while len(rounds) < 6 or len(results) < 10:
        results.append(world.audit())
        concurrency.sleep(0.01)
    stop.append(True)
    for worker in workers:
        worker.wait()
    assert [report.text(r) for r in results if r.findings] == []
    assert any(r.seen.moving & set(r.seen.cell.servers) for r in results)


@pytest.mark.parametrize("part", ["guests", "folders", "connections", "images"])
def test_a_part_that_cannot_be_read_does_not_keep_the_others(
    scene: drift.Scene, part: str
) -> None:
    error = exceptions.HypervisorError(reason="no")
    scene.world.hosts["a"].faults.fail(f"inventory.{part}", error)
    assert found_in(scene.world.audit()) == ["host-unreadable"]
