"""A server's storage on one screen, and where two sources disagree about it."""

import re

import pytest

from nova_lite import context
from nova_lite import exceptions
from nova_lite.audit import trace
from nova_lite.audit import trace_text
from nova_lite.image import glance
from tests.fixtures import pipeline
from tests.functional.pipeline import drift

CLEAN = """\
server      SERVER 's', active, host a
guest       instance-SERVER on a, runs

/dev/vda  image -> local, root, deleted with the server
  image      IMAGE 'image', raw, active
  guest      vda = file SERVER/disk, runs and is defined

/dev/vdb  volume -> volume, complete
  volume     VOLUME in-use, 1 GiB, of server SERVER
  attachment ATTACHMENT attached
  connection local: device_path PATH, format FORMAT, access_mode rw
  host       is connected to it
  guest      vdb = file volume-VOLUME, runs and is defined

All sources agree.
"""


@pytest.fixture
def scene(world: pipeline.World) -> drift.Scene:
    return drift.Scene.prepared(world)


def traced(scene: drift.Scene, server_id: str | None = None) -> dict[str, object]:
    tracer = trace.Tracer(scene.world.collector(), glance.GlanceClient(scene.world.conf))
    return tracer.trace(context.admin_context(), server_id or scene.server_id)


def shown(scene: drift.Scene) -> str:
    """The text, with the ids named."""
    device = scene.device()
    text = trace_text.text(traced(scene))
    image_id = scene.world.nova("GET", f"/servers/{scene.server_id}")["server"]["image"]["id"]
    for name, value in (
        ("SERVER", scene.server_id),
        ("VOLUME", scene.volume_id),
        ("ATTACHMENT", device.attachment_id),
        ("IMAGE", image_id),
    ):
        text = text.replace(value, name)
    # Lines were broken where the ids are longer than their names.
    text = re.sub(r"\n {13,}", " ", text)
    text = re.sub(r"device_path [^,]+", "device_path PATH", text)
    return re.sub(r"format (raw|qcow2)", "format FORMAT", text)


def test_all_sources_agree(scene: drift.Scene) -> None:
    assert shown(scene) == CLEAN


def test_a_disagreement_is_marked(scene: drift.Scene) -> None:
    scene.guest.undefined.append(scene.volume_id)
    text = shown(scene)
    assert "vdb = file volume-VOLUME, !! runs, is not defined" in text
    says = "!! error: Server SERVER runs with volume VOLUME; its definition lacks it"
    assert says in " ".join(text.split())
    assert text.endswith("\n1 disagreement; look for !!.\n")


def test_what_is_missing_is_marked(scene: drift.Scene) -> None:
    scene.delete_in_cinder(scene.device().attachment_id)
    del scene.guest.volumes[scene.volume_id]
    text = shown(scene)
    assert "ATTACHMENT missing" in text
    assert "guest      does not have it" in text
    assert "(attachment-missing)" in text
    assert "(disk-not-in-guest)" in text
    assert text.endswith("\n2 disagreements; look for !!.\n")


def test_an_unknown_disk_is_marked(scene: drift.Scene) -> None:
    drift.disk_unknown(scene)
    text = shown(scene)
    assert f"!! the guest on a has unknown volume {scene.spare_id}" in text
    assert "(disk-unknown)" in text


def test_who_is_silent_is_named(scene: drift.Scene) -> None:
    scene.world.declare_down("a")
    text = shown(scene)
    assert "!! a is silent: it has been silent since" in text
    assert "guest-missing" not in text


def test_no_such_server(scene: drift.Scene) -> None:
    with pytest.raises(exceptions.InstanceNotFound):
        traced(scene, drift.STRANGER)


def test_the_api_shows_it_to_administrators(scene: drift.Scene) -> None:
    world, path = scene.world, f"/servers/{scene.server_id}/nova-lite-storage-trace"
    assert world.nova("GET", path)["storage_trace"] == traced(scene)
    url = f"{world.api_url}/v2.1{path}"
    assert world.request("GET", url, admin=False).status_code == 403
    missing = f"{world.api_url}/v2.1/servers/{drift.STRANGER}/nova-lite-storage-trace"
    assert world.request("GET", missing).status_code == 404


def test_a_volume_made_from_an_image_names_it(world: pipeline.World) -> None:
    image_id = world.image()
    server_id = world.boot(pipeline.new_root(image_id))
    world.wait(world.is_quiet, "rest")
    tracer = trace.Tracer(world.collector(), glance.GlanceClient(world.conf))
    (device,) = tracer.trace(context.admin_context(), server_id)["devices"]
    assert device["image"]["id"] == image_id
    assert device["delete_on_termination"]
