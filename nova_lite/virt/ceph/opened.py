"""What an open image of librbd is asked. For native threads only."""

import typing

from nova_lite.virt.ceph import types

TRASH_NAMESPACE = 2
"""librbd's RBD_SNAP_NAMESPACE_TYPE_TRASH: a snapshot that was removed although
images are cloned from it."""


def extents(opened: typing.Any) -> list[tuple[int, int]]:
    """Offset and length of what may not be zero, its parent's data included."""
    found: list[tuple[int, int]] = []
    opened.diff_iterate(
        0,
        opened.size(),
        None,
        lambda offset, length, exists: found.append((offset, length)) if exists else None,
    )
    return found


def snapshots(opened: typing.Any) -> list[types.SnapshotState]:
    """Its snapshots, oldest first."""
    return [
        types.SnapshotState(
            id=int(each["id"]),
            name=each["name"],
            size_bytes=each["size"],
            is_protected=bool(opened.is_protected_snap(each["name"]))
            if each["namespace"] != TRASH_NAMESPACE
            else False,
            is_in_trash=each["namespace"] == TRASH_NAMESPACE,
        )
        for each in opened.list_snaps()
    ]


def clones(opened: typing.Any, snapshot: types.SnapshotState) -> list[types.Clone]:
    """The images that were cloned from a snapshot."""
    # Asked of a handle at the snapshot, which is then set back.
    opened.set_snap_by_id(snapshot.id)
    try:
        return [
            types.Clone(
                *(each["pool"], each["image"], bool(each["trash"])),
                namespace=each["pool_namespace"],
                id=each["id"],
            )
            for each in opened.list_children2()
        ]
    finally:
        opened.set_snap(None)


def all_clones(opened: typing.Any) -> list[types.Clone]:
    """The images that were cloned from any of its snapshots."""
    return [clone for each in snapshots(opened) for clone in clones(opened, each)]


def watchers(opened: typing.Any) -> tuple[str, ...]:
    """Addresses of the clients that have it open for writing."""
    return tuple(str(each["addr"]) for each in opened.watchers_list())


def parent(opened: typing.Any) -> types.Snapshot | None:
    """The snapshot that it is a clone of."""
    import rbd

    try:
        spec = opened.get_parent_image_spec()
    except rbd.ImageNotFound:
        return None
    return types.Snapshot(spec["pool_name"], spec["image_name"], spec["snap_name"])
