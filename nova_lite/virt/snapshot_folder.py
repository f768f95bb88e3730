"""Where copies of disks are until they are images: ``<instances_path>/snapshots/<id>``."""

import pathlib
import shutil
import uuid

from oslo_config import cfg

from nova_lite import concurrency

NAME = "snapshots"


def path_of(conf: cfg.ConfigOpts, snapshot_id: str) -> pathlib.Path:
    """The folder of one snapshot."""
    # Normalised, so that no path can hide in it.
    return _root(conf) / str(uuid.UUID(snapshot_id))


def remove(conf: cfg.ConfigOpts, snapshot_id: str) -> None:
    """The folder with everything in it. Gone is success."""
    path = path_of(conf, snapshot_id)
    if path.exists():
        concurrency.in_native_thread(shutil.rmtree, path)


def list_all(conf: cfg.ConfigOpts) -> list[str]:
    """Ids of the snapshots that have a folder."""
    root = _root(conf)
    return sorted(entry.name for entry in root.iterdir()) if root.exists() else []


def _root(conf: cfg.ConfigOpts) -> pathlib.Path:
    return pathlib.Path(conf.compute.instances_path) / NAME
