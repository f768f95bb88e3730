import pathlib
import stat
import uuid

import pytest

from nova_lite import objects
from nova_lite.compute import writeahead
from tests.conformance import factories


def operation() -> objects.Operation:
    return objects.Operation(
        id=str(uuid.uuid4()), instance_uuid=str(uuid.uuid4()), action="create", owner="a"
    )


def device() -> objects.BlockDeviceMapping:
    return objects.BlockDeviceMapping(uuid=str(uuid.uuid4()))


def test_what_was_left_is_read_again(tmp_path: pathlib.Path) -> None:
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    left, changing = operation(), device()
    entry = log.open(left.id)
    entry.begin(left, factories.instance(), [changing])
    entry.step("claim")
    changing.attachment_id = str(uuid.uuid4())
    entry.device(changing)
    entry.step("spawn")
    entry.close()

    (found,) = log.load(set())
    assert found.operation.id == left.id
    assert found.steps == ["claim", "spawn"]
    assert [d.attachment_id for d in found.devices] == [changing.attachment_id]
    assert found.outcome is None


def test_a_record_cut_by_a_power_failure(tmp_path: pathlib.Path) -> None:
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    left = operation()
    entry = log.open(left.id)
    entry.begin(left, factories.instance(), [])
    entry.step("claim")
    entry.close()
    with entry.path.open("a") as file:
        file.write('["step", "spa')
    (found,) = log.load(set())
    assert found.steps == ["claim"]


@pytest.mark.parametrize("torn", ['["step", "spa', "\0" * 9, '["step","spawn"]'])
def test_what_follows_a_cut_record_is_read(tmp_path: pathlib.Path, torn: str) -> None:
    """Recovery writes on in the same file, and may die as well."""
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    left, changing = operation(), device()
    entry = log.open(left.id)
    entry.begin(left, factories.instance(), [changing])
    entry.close()
    with entry.path.open("a") as file:
        file.write(torn)
    (found,) = log.load(set())
    assert found.entry is not None
    changing.attachment_id = str(uuid.uuid4())
    found.entry.device(changing)
    found.entry.step("roll_back")
    found.entry.outcome(objects.Outcome(succeeded=False, message="no"))
    found.entry.close()
    (again,) = log.load(set())
    assert again.steps == ["roll_back"]
    assert [each.attachment_id for each in again.devices] == [changing.attachment_id]
    assert again.outcome is not None


def test_a_damaged_record_ends_what_is_believed(tmp_path: pathlib.Path) -> None:
    """A block that never reached the disk: what follows it is not relied on."""
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    left = operation()
    entry = log.open(left.id)
    entry.begin(left, factories.instance(), [])
    with entry.path.open("ab") as file:
        file.write(b"\0\xff\0\n")
    entry.step("claim")
    entry.close()
    (found,) = log.load(set())
    assert found.steps == []
    assert found.entry is not None
    found.entry.step("roll_back")
    (again,) = log.load(set())
    assert again.steps == ["roll_back"]


def test_nothing_had_begun(tmp_path: pathlib.Path) -> None:
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    entry = log.open("x")
    entry.close()
    assert log.load(set()) == []
    assert not entry.path.exists()


def test_what_runs_is_not_what_was_left(tmp_path: pathlib.Path) -> None:
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    running = operation()
    log.open(running.id).begin(running, factories.instance(), [])
    assert log.load({running.id}) == []


@pytest.mark.parametrize("reschedule", [False, True])
def test_an_outcome_that_was_not_told(tmp_path: pathlib.Path, reschedule: bool) -> None:
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    left = operation()
    entry = log.open(left.id)
    entry.begin(left, factories.instance(), [])
    entry.outcome(objects.Outcome(succeeded=False, message="no"), reschedule=reschedule)
    (found,) = log.load(set())
    assert found.outcome is not None
    assert found.outcome.message == "no"
    assert found.reschedule is reschedule


def test_only_its_owner_may_read_it(tmp_path: pathlib.Path) -> None:
    """I8: there is connection information in it."""
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    entry = log.open("x")
    assert stat.S_IMODE(entry.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(entry.path.parent.stat().st_mode) == 0o700


def test_a_closed_entry_takes_nothing(tmp_path: pathlib.Path) -> None:
    log = writeahead.WriteAheadLog(str(tmp_path / "log"))
    entry = log.open("x")
    assert entry.is_new
    entry.close()
    entry.close()
    with pytest.raises(ValueError, match="is closed"):
        entry.step("spawn")
    assert not log.open("x").is_new
