"""The parts of this compute service that operations work with."""

import dataclasses

from oslo_config import cfg

from nova_lite.compute import resources
from nova_lite.compute import task
from nova_lite.image import glance
from nova_lite.rpc import conductor as conductor_rpc
from nova_lite.virt import interface
from nova_lite.volume import cinder


@dataclasses.dataclass(frozen=True)
class ComputeHost:
    """Everything an operation needs besides its task."""

    conf: cfg.ConfigOpts
    driver: interface.Driver
    resources: resources.ResourceTracker
    cinder: cinder.CinderClient
    glance: glance.GlanceClient
    conductor: conductor_rpc.ConductorClient
    tasks: task.Tasks
