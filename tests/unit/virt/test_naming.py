import pytest

from nova_lite import exceptions
from nova_lite.virt import naming


def test_serial_is_the_volume_id():
    """S198: serial, and without one the volume id of the data."""
    assert naming.volume_id_of({"serial": "a", "data": {"volume_id": "b"}}) == "a"
    assert naming.volume_id_of({"data": {"volume_id": "b"}}) == "b"


def test_a_volume_without_an_id_is_refused_without_telling_secrets():
    with pytest.raises(exceptions.InvalidVolume) as caught:
        naming.volume_id_of({"data": {"auth_password": "canary"}})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "taken", "got"),
    [
        ("vdb", {"vda"}, "vdb"),
        ("vdb", {"vda", "vdb"}, "vdc"),
        ("vdb", {f"vd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"}, "vdaa"),
        ("sdb", {"vda", "sda", "sdb"}, "sdc"),
        ("vdc", {"vdc"}, "vda"),
    ],
)
def test_free_target_name(wanted, taken, got):
    assert naming.free_target_name(wanted, taken) == got
