"""What crosses a process border: few, small, versioned objects.

A changed field needs a new ``VERSION``; ``tests/contract/test_objects.py``
holds the fingerprints.
"""

from nova_lite.objects.block_device import BlockDeviceMapping
from nova_lite.objects.block_device import BlockDeviceMappingList
from nova_lite.objects.build_request import BuildRequest
from nova_lite.objects.compute_node import ComputeNode
from nova_lite.objects.flavor import Flavor
from nova_lite.objects.image_meta import ImageMeta
from nova_lite.objects.instance import Instance
from nova_lite.objects.instance import InstanceFault
from nova_lite.objects.inventory import HostInventory
from nova_lite.objects.inventory import InventoryConnection
from nova_lite.objects.inventory import InventoryDisk
from nova_lite.objects.inventory import InventoryFolder
from nova_lite.objects.inventory import InventoryGuest
from nova_lite.objects.inventory import InventoryImage
from nova_lite.objects.operation import Operation
from nova_lite.objects.operation import Step
from nova_lite.objects.outcome import HostWork
from nova_lite.objects.outcome import Outcome
from nova_lite.objects.request_spec import HostVerdict
from nova_lite.objects.request_spec import RequestSpec
from nova_lite.objects.request_spec import Selection
from nova_lite.objects.service import Service

__all__ = [
    "BlockDeviceMapping",
    "BlockDeviceMappingList",
    "BuildRequest",
    "ComputeNode",
    "Flavor",
    "HostInventory",
    "HostVerdict",
    "HostWork",
    "ImageMeta",
    "Instance",
    "InstanceFault",
    "InventoryConnection",
    "InventoryDisk",
    "InventoryFolder",
    "InventoryGuest",
    "InventoryImage",
    "Operation",
    "Outcome",
    "RequestSpec",
    "Selection",
    "Service",
    "Step",
]
