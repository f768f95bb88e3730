"""The dry run accepts exactly what a create accepts, and does nothing (issue 3, item 7)."""

import collections.abc
import pathlib
import typing

import hypothesis
import pytest
from hypothesis import strategies

from nova_lite.db.models import api as api_models
from nova_lite.db.models import cell as cell_models
from nova_lite.volume import records
from tests.functional.api import conftest
from tests.functional.api import test_dry_run

MEMBER = {"X-Roles": "member,reader", "X-Project-Id": "demo"}

# Stand for ids that exist in the world only.
IMAGES = ("good", "big", "hungry", "queued", "scsi", "own-root", "missing")
VOLUMES = ("free", "unbootable", "taken", "shared", "east", "missing")
SNAPSHOTS = ("whole", "of-unbootable", "unfinished", "missing")


_TRUTHS = strategies.sampled_from([True, False, "true", "no", "maybe", None])


def _rows() -> strategies.SearchStrategy[dict[str, typing.Any]]:
    source = strategies.sampled_from(["image", "volume", "snapshot", "blank", "tape"])
    required = {"source_type": source}
    optional = {
        "uuid": strategies.sampled_from([*IMAGES, *VOLUMES, *SNAPSHOTS]),
        "destination_type": strategies.sampled_from(["local", "volume", "volume", "moon"]),
        "boot_index": strategies.sampled_from([0, 0, 0, 1, 2, -1, None, "0", "x"]),
        "volume_size": strategies.sampled_from([1, 2, "3", 5, 0, -1, "", None, 11]),
        "delete_on_termination": _TRUTHS,
        "device_name": strategies.sampled_from(["vda", "/dev/vdb", "vdb", "sda", "a b", None]),
        "disk_bus": strategies.sampled_from(["virtio", "scsi", "ide", "warp", None]),
        "device_type": strategies.sampled_from(["disk", "cdrom", "mmc", None]),
        "guest_format": strategies.sampled_from(["swap", "ext4", None]),
        "tag": strategies.sampled_from(["a", "b,c"]),
        "volume_type": strategies.sampled_from(["fast", "type-id", "nosuch", None]),
        "no_device": strategies.sampled_from([True, False, None]),
    }
    return strategies.fixed_dictionaries(required, optional=optional)


def _likely_rows() -> strategies.SearchStrategy[dict[str, typing.Any]]:
    """Rows that mostly pass, so that the later checks are reached as well."""

    def row(source: str, names: collections.abc.Sequence[str]) -> typing.Any:
        fixed: dict[str, typing.Any] = {
            "source_type": strategies.just(source),
            "destination_type": strategies.just("volume"),
            "volume_size": strategies.sampled_from([2, 5]),
        }
        if names:
            fixed["uuid"] = strategies.sampled_from(names)
        more = {
            "boot_index": strategies.sampled_from([0, -1]),
            "volume_type": strategies.just("fast"),
        }
        return strategies.fixed_dictionaries(fixed, optional=more)

    return strategies.one_of(
        row("volume", VOLUMES), row("image", IMAGES), row("snapshot", SNAPSHOTS), row("blank", ())
    )


def _requests() -> strategies.SearchStrategy[dict[str, typing.Any]]:
    return strategies.fixed_dictionaries(
        {
            "block_device_mapping_v2": strategies.lists(
                strategies.one_of(_rows(), _likely_rows(), _likely_rows()), max_size=4
            ),
            "imageRef": strategies.sampled_from(["", "", *IMAGES]),
            "flavorRef": strategies.sampled_from(["1", "1", "rich", "diskless", "nosuch"]),
        },
        optional={
            "max_count": strategies.sampled_from([1, 2]),
            "availability_zone": strategies.sampled_from(["nova", "mars"]),
        },
    )


class World:
    """Images, volumes and snapshots by the names above."""

    def __init__(self, api: conftest.Api) -> None:
        self.api = api
        api.scheduler.explain_destinations.return_value = []
        api.volume_types = [records.VolumeType("type-id", "fast")]
        api.host("host1")
        api.flavor("rich", **{"OS-FLV-EXT-DATA:ephemeral": 5, "swap": 512})
        api.flavor("diskless", disk=0)
        root = {"source_type": "blank", "destination_type": "volume", "boot_index": 0}
        images: dict[str, dict[str, typing.Any]] = {
            "good": {},
            "big": {"min_disk_gib": 4, "size_bytes": 11 * 1024**3},
            "hungry": {"min_ram_mib": 1024},
            "queued": {"status": "queued"},
            "scsi": {"properties": {"hw_disk_bus": "scsi"}},
            "own-root": {
                "properties": {
                    "bdm_v2": "true",
                    "block_device_mapping": [root | {"volume_size": 2, "device_name": "vda"}],
                }
            },
        }
        self.ids = {name: api.image(**fields) for name, fields in images.items()}
        self.ids |= {
            "free": api.volume(),
            "unbootable": api.volume(bootable=False),
            "taken": api.volume(status="in-use"),
            "shared": api.volume(multiattach=True),
            "east": api.volume(availability_zone="east"),
        }
        self.ids |= {
            "whole": api.snapshot(self.ids["free"], size_gib=3),
            "of-unbootable": api.snapshot(self.ids["unbootable"]),
            "unfinished": api.snapshot(self.ids["free"], status="creating"),
            "missing": conftest.new_uuid(),
        }
        self.before = dict(api.volumes)

    def body(self, wish: dict[str, typing.Any]) -> dict[str, typing.Any]:
        """``wish`` with ids for names."""
        rows = [
            row | ({"uuid": self.ids[row["uuid"]]} if "uuid" in row else {})
            for row in wish["block_device_mapping_v2"]
        ]
        image = wish["imageRef"] and self.ids[wish["imageRef"]]
        server = {"name": "vm", "networks": "none", **wish}
        return {"server": server | {"block_device_mapping_v2": rows, "imageRef": image}}

    def forget(self) -> None:
        """Take back what a create left."""
        api = self.api
        with api.database.api.write() as tx:
            for table in ("build_requests", "instance_mappings", "request_specs"):
                tx.execute(api_models.metadata.tables[table].delete())
        api.attachments.clear()
        api.volumes.update(self.before)
        for double in (api.conductor, api.cinder):
            double.reset_mock()

    def state(self) -> tuple[object, ...]:
        """What a dry run must not change, as far as it can be had cheaply."""
        tables = (*api_models.metadata.sorted_tables, *cell_models.metadata.sorted_tables)
        counts = [self.api.count(table) for table in tables]
        writes = [name for name in test_dry_run.WRITES if getattr(self.api.cinder, name).called]
        return counts, writes, list(self.api.conductor.method_calls), dict(self.api.volumes)


def _words(result: typing.Any) -> object:
    """The refusal, or that there is none."""
    return None if 200 <= result.status_code < 300 else result.json


@pytest.mark.parametrize(
    ("roles", "cross_az_attach"), [({}, False), (MEMBER, True)], ids=["admin", "member"]
)
def test_dry_run_accepts_what_create_accepts(
    tmp_path: pathlib.Path, roles: dict[str, str], cross_az_attach: bool
) -> None:
    """The same class of status and the same words; and no trace of the dry run."""
    api = conftest.Api(tmp_path, cinder__cross_az_attach=cross_az_attach)
    api.flavor()
    world = World(api)
    accepted = [0, 0]

    @hypothesis.given(wish=_requests())
    def compare(wish: dict[str, typing.Any]) -> None:
        body = world.body(wish)
        before = world.state()
        planned = api.call(
            "POST", "/servers", body, headers={"X-Nova-Lite-Dry-Run": "true", **roles}
        )
        assert world.state() == before
        created = api.call("POST", "/servers", body, headers=roles)
        try:
            assert planned.status_code < 500, planned.text
            assert planned.status_code // 100 == created.status_code // 100
            assert _words(planned) == _words(created)
            accepted[created.status_code == 202] += 1
            assert (created.status_code == 202) == bool(api.conductor.method_calls)
        finally:
            world.forget()

    compare()
    api.database.dispose()
    # The property would be empty if nothing, or everything, were accepted.
    assert min(accepted) > 10, accepted
