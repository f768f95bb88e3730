"""The image, read back by a program that is not ours."""

import io
import subprocess

import hypothesis
import pycdlib
import pytest
from hypothesis import strategies

from nova_lite.virt.configdrive import iso

FILES = {
    "openstack/latest/meta_data.json": b'{"uuid": "x"}',
    "openstack/latest/user_data": b"\x00\xff" * 5000,
    "openstack/2018-08-27/meta_data.json": b'{"uuid": "x"}',
    "openstack/2018-08-27/empty": b"",
}


def test_its_label_is_what_guests_look_for(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(iso.image(FILES))
    said = subprocess.run(
        ["/sbin/blkid", "-p", str(path)], check=True, capture_output=True, text=True
    ).stdout
    assert 'LABEL="config-2"' in said
    assert 'TYPE="iso9660"' in said


def read(image: bytes, names: str) -> dict[str, bytes]:
    """All files by the names of one of the image's directories."""
    opened = pycdlib.PyCdlib()
    opened.open_fp(io.BytesIO(image))
    found = {}
    for folder, _, files in opened.walk(**{names: "/"}):
        for name in files:
            path = f"{folder.rstrip('/')}/{name}"
            content = io.BytesIO()
            opened.get_file_from_iso_fp(content, **{names: path})
            found[path.removeprefix("/")] = content.getvalue()
    opened.close()
    return found


@pytest.mark.parametrize("names", ["rr_path", "joliet_path"])
def test_linux_and_windows_read_the_same(names):
    assert read(iso.image(FILES), names) == FILES


@hypothesis.given(content=strategies.binary(max_size=10_000))
@hypothesis.settings(max_examples=20)
def test_any_content_comes_back(content):
    assert read(iso.image({"a/b": content}), "rr_path") == {"a/b": content}
