"""The client against the embedded service over HTTP, where it fails on purpose."""

import pathlib
import typing
import uuid

import pytest

from nova_lite import conf as nova_lite_conf
from nova_lite import context
from nova_lite import exceptions
from nova_lite import remote
from nova_lite.volume import cinder as cinder_module
from tests.fixtures import embedded

CONNECTOR = {"host": "h1", "ip": "127.0.0.1"}
MISSING = str(uuid.UUID(int=7))


@pytest.fixture(name="service")
def fixture_service(tmp_path: pathlib.Path) -> typing.Iterator[embedded.Services]:
    with embedded.services(str(tmp_path)) as service:
        yield service


@pytest.mark.parametrize(
    ("newest", "chosen"),
    [("3.71", "3.71"), ("3.70", "3.69"), ("3.68", "3.48"), ("3.47", "3.44"), ("3.43", "3.0")],
)
def test_the_microversion_follows_the_version_document(
    tmp_path: pathlib.Path, newest: str, chosen: str
) -> None:
    """S191: 3.71, 3.69, else 3.48, else plain; looked up once a process."""
    overrides = {"standalone__volume_max_microversion": newest}
    with embedded.services(str(tmp_path), **overrides) as service:
        for _ in range(2):
            with pytest.raises(exceptions.VolumeNotFound):
                service.cinder.get_volume(service.ctxt, MISSING)
        assert [(c["kind"], c["microversion"]) for c in service.calls()] == [
            ("volumes.show", f"volume {chosen}")
        ] * 2
        assert service.cinder.supports_attachments(service.ctxt) == (newest != "3.43")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, exceptions.InvalidVolume),
        (401, exceptions.RemoteServiceError),
        (403, exceptions.Forbidden),
        (404, exceptions.VolumeNotFound),
        (409, exceptions.RemoteConflict),
        (413, exceptions.QuotaExceeded),
        (500, exceptions.RemoteServiceError),
        (503, exceptions.RemoteServiceError),
    ],
)
def test_refusals_become_our_errors(
    service: embedded.Services, status: int, error: type[Exception]
) -> None:
    service.fault("volumes.show", "fail", status=status)
    with pytest.raises(error) as caught:
        service.cinder.get_volume(service.ctxt, MISSING)
    assert type(caught.value) is error
    if status != 404:
        assert "asked for" in str(caught.value)


def test_a_hanging_cinder_is_given_up(tmp_path: pathlib.Path) -> None:
    overrides = {"cinder__timeout_s": 0.3, "cinder__connect_retries": 0}
    with embedded.services(str(tmp_path), **overrides) as service:
        service.fault("volumes.show", "hang", seconds=5)
        with pytest.raises(remote.Unreachable):
            service.cinder.get_volume(service.ctxt, MISSING)


def test_an_absent_cinder_is_reported() -> None:
    conf = nova_lite_conf.new(
        files=[], cinder__auth_type="none", cinder__endpoint_url="http://127.0.0.1:9/v3"
    )
    client = cinder_module.CinderClient(conf)
    with pytest.raises(exceptions.RemoteServiceError, match="Cinder failed"):
        client.get_volume(context.RequestContext(overwrite=False), MISSING)


@pytest.mark.parametrize("status", [500, 504])
def test_attachment_calls_are_repeated_on_server_errors(
    service: embedded.Services, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B6: update and delete up to five times on 500 and 504."""
    monkeypatch.setattr(cinder_module, "RETRY_DELAY_S", 0.001)
    cinder, ctxt = service.cinder, service.ctxt
    volume = cinder.create_volume(ctxt, 1, name="", description="")
    attachment = cinder.create_attachment(ctxt, volume.id, MISSING)
    service.fault("attachments.update", "fail", status=status, times=4)
    cinder.update_attachment(ctxt, attachment.id, CONNECTOR, "/dev/vdb")
    service.fault("attachments.delete", "fail", status=status, times=5)
    with pytest.raises(exceptions.RemoteServiceError):
        cinder.delete_attachment(ctxt, attachment.id)
    cinder.delete_attachment(ctxt, attachment.id)
    kinds = service.kinds()
    assert kinds.count("attachments.update") == 5
    assert kinds.count("attachments.delete") == 6


def test_there_is_nothing_to_roll_back_of_what_is_gone(service: embedded.Services) -> None:
    service.cinder.roll_detaching(service.ctxt, MISSING)


def test_a_cinder_that_passes_the_filter_over_finds_no_strangers(
    service: embedded.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found may be deleted."""
    cinder, ctxt = service.cinder, service.ctxt
    for mine in ("yes", "no"):
        cinder.create_volume(ctxt, 1, name=mine, description="", metadata={"mine": mine})
    cinder.create_volume(ctxt, 1, name="bare", description="")
    real = cinder._call

    def deaf(*args: typing.Any, params: object = None) -> typing.Any:
        return real(*args)

    monkeypatch.setattr(cinder, "_call", deaf)
    assert [volume.name for volume in cinder.find_volumes(ctxt, {"mine": "yes"})] == ["yes"]


def test_other_errors_are_not_repeated(service: embedded.Services) -> None:
    service.fault("attachments.delete", "fail", status=409)
    with pytest.raises(exceptions.RemoteConflict):
        service.cinder.delete_attachment(service.ctxt, MISSING)
    assert service.kinds().count("attachments.delete") == 1


def test_an_id_cannot_name_another_resource(service: embedded.Services) -> None:
    for volume_id in ("../attachments", "..", "a/b", "x?y=1", "x%2Fy", ""):
        with pytest.raises(exceptions.VolumeNotFound):
            service.cinder.delete_volume(service.ctxt, volume_id)
    assert service.kinds() == []


def test_connection_information_is_not_printed(service: embedded.Services) -> None:
    """S139."""
    cinder, ctxt = service.cinder, service.ctxt
    volume = cinder.create_volume(ctxt, 1, name="", description="")
    attachment = cinder.create_attachment(ctxt, volume.id, MISSING, CONNECTOR, "/dev/vdb")
    assert attachment.connection_info is not None
    assert attachment.connection_info["data"]["device_path"] not in repr(attachment)


def test_something_else_than_cinder_is_told(service: embedded.Services) -> None:
    service.conf.set_override("endpoint_url", f"{service.image_url}/v2/schemas/image", "cinder")
    client = cinder_module.CinderClient(service.conf)
    with pytest.raises(exceptions.RemoteServiceError):
        client.get_volume(service.ctxt, MISSING)


def test_a_volume_is_never_ordered_for_nobody() -> None:
    """Without the owner's token it would belong to the service project."""
    client = cinder_module.CinderClient(nova_lite_conf.new(files=[]))
    with pytest.raises(exceptions.RemoteServiceError, match="owner"):
        client.create_volume(context.admin_context(), 1, name="", description="")


def test_volume_types_are_read_to_the_last_page(
    service: embedded.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cinder lists so many at a time; an administrator must ask for private ones."""
    pages = [
        {"volume_types": [{"id": "1", "name": "a"}], "volume_type_links": [{"rel": "next"}]},
        {"volume_types": [{"id": "2", "name": "b"}]},
    ]
    asked: list[dict[str, str]] = []

    def answer(*_args: object, params: dict[str, str], **_kw: object) -> object:
        asked.append(dict(params))
        return pages[len(asked) - 1]

    monkeypatch.setattr(service.cinder, "_call", answer)
    found = service.cinder.list_volume_types(context.admin_context())
    assert [kind.name for kind in found] == ["a", "b"]
    assert [params.get("marker") for params in asked] == [None, "1"]
    assert {params["is_public"] for params in asked} == {"none"}
