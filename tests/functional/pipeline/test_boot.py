"""Boots that go well."""

from tests.fixtures import pipeline


def test_from_an_image(one_host: pipeline.World) -> None:
    server_id = one_host.boot(image=one_host.image())
    one_host.check()
    one_host.delete(server_id)
    one_host.check()


def test_from_a_volume(one_host: pipeline.World) -> None:
    volume_id = one_host.volume()
    server_id = one_host.boot(pipeline.bootable(volume_id))
    assert one_host.volume_status(volume_id) == "in-use"
    one_host.check([volume_id])
    one_host.delete(server_id)
    one_host.check([volume_id])
