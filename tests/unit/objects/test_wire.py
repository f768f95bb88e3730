import uuid

from nova_lite import objects


def test_defaults_are_each_objects_own() -> None:
    one, other = (objects.ImageMeta() for _ in range(2))
    one.properties["hw_disk_bus"] = "scsi"
    devices = objects.BlockDeviceMappingList()
    devices.objects.append(objects.BlockDeviceMapping(uuid=str(uuid.uuid4())))

    assert other.properties == {}
    assert objects.ImageMeta().properties == {}
    assert objects.BlockDeviceMappingList().objects == []


def test_what_may_be_null_is_none() -> None:
    assert objects.BlockDeviceMapping().volume_id is None


def test_the_primitive_form_comes_back() -> None:
    spec = objects.RequestSpec(
        instance_uuid=str(uuid.uuid4()), flavor=objects.Flavor(flavorid="1", name="f", vcpus=2)
    )
    again = objects.RequestSpec.obj_from_primitive(spec.obj_to_primitive())
    assert again.flavor.vcpus == 2
    assert "nova_lite.changes" not in spec.obj_to_primitive()
