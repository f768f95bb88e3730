"""A storage trace on one screen."""

import collections.abc
import textwrap
import typing

View: typing.TypeAlias = dict[str, typing.Any]

WIDTH = 100
MARK = "!!"
"""Stands before what two sources disagree about."""


def text(traced: View) -> str:
    """The trace for people, at most 100 columns wide but for ids and paths."""
    server = traced["server"]
    lines = [
        f"server      {server['id']} {server['name']!r}, {server['vm_state']}"
        + (f"/{server['task_state']}" if server["task_state"] else "")
        + f", host {server['host'] or 'none'}"
    ]
    for guest in server["guests"]:
        runs = "runs" if guest["runs"] else "does not run"
        lines.append(f"guest       {guest['name']} on {guest['host']}, {runs}")
    if server["at_work"]:
        lines.append("            Something is under way with it: what disagrees may be work.")
    for who, reason in traced["silent"].items():
        lines += _wrapped(f"{MARK} {who} is silent: {reason}. What it knows is not shown.", "")
    for device in traced["devices"]:
        lines += ["", *_device(device)]
    for disk in traced["unknown_disks"]:
        lines += ["", f"{MARK} the guest on {disk['host']} has unknown volume {disk['volume']}"]
    if traced["other_disagreements"]:
        lines += ["", *_disagreements(traced["other_disagreements"])]
    lines += ["", _verdict(traced["disagreements"])]
    return "\n".join(lines) + "\n"


def _verdict(number: int) -> str:
    if not number:
        return "All sources agree."
    return f"{number} disagreement{'s' if number > 1 else ''}; look for {MARK}."


def _device(device: View) -> collections.abc.Iterator[str]:
    fate = ", deleted with the server" if device["delete_on_termination"] else ""
    phase = f", {device['phase']}" if device["phase"] else ""
    kind = f"{device['source_type']} -> {device['destination_type']}"
    root = ", root" if device["boot_index"] == 0 else ""
    yield f"{device['device'] or '(no name yet)'}  {kind}{root}{phase}{fate}"
    for name, show in _SOURCES.items():
        if device[name] is not None:
            line = f"  {name.replace('host_connected', 'host'):<11}{show(device[name])}"
            yield from _wrapped(line, " " * 10)
    if device["volume"] and device["guest"] is None:
        yield f"  {'guest':<11}does not have it"
    yield from _disagreements(device["disagreements"])


def _image(image: View) -> str:
    if "unknown" in image:
        return f"{image['id']} ({image['unknown']})"
    shown = f"{image['id']} {image['name']!r}, {image['disk_format']}, {image['status']}"
    return ", ".join([shown, *image["locations"]])


def _volume(volume: View) -> str:
    if "size_gib" not in volume:
        return f"{volume['id']}: {volume['status']}"
    shown = f"{volume['id']} {volume['status']}, {volume['size_gib']} GiB"
    for key in ("multiattach", "encrypted"):
        shown += f", {key}" if volume[key] else ""
    servers = volume["servers"]
    return shown + (f", of server {', '.join(servers)}" if servers else ", of no server")


def _attachment(attachment: View) -> str:
    return f"{attachment['id']} {attachment['status']}"


def _connection(connection: View) -> str:
    values = {key: value for key, value in connection.items() if key != "driver_volume_type"}
    shown = ", ".join(f"{key} {_plain(value)}" for key, value in values.items())
    return f"{connection['driver_volume_type']}: {shown}"


def _plain(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def _guest(disk: View) -> str:
    has = {(True, True): "runs and is defined", (True, False): f"{MARK} runs, is not defined"}
    state = has.get((disk["live"], disk["defined"]), "is defined, does not run")
    missing = f" {MARK} missing" if disk["is_missing"] else ""
    return f"{disk['device']} = {disk['source_type']} {disk['source']}{missing}, {state}"


def _host_connected(connected: bool) -> str:
    return "is connected to it" if connected else "has no record of a connection"


def _ceph(image: View) -> str:
    parts = [image["image"]]
    if image["parent"]:
        parts.append(f"clone of {image['parent']}")
    for key in ("snapshots", "watchers", "locks"):
        parts.append(f"{key} {', '.join(image[key]) or 'none'}")
    return "; ".join(parts)


_SOURCES: dict[str, collections.abc.Callable[[typing.Any], str]] = {
    "image": _image,
    "snapshot": str,
    "volume": _volume,
    "attachment": _attachment,
    "connection": _connection,
    "host_connected": _host_connected,
    "guest": _guest,
    "ceph": _ceph,
}
"""In the order in which data come to a guest."""


def _disagreements(found: list[View]) -> collections.abc.Iterator[str]:
    for each in found:
        yield from _wrapped(f"  {MARK} {each['severity']}: {each['says']} ({each['kind']}).", "  ")
        yield from _wrapped(f"     {each['advice']}", "  ")


def _wrapped(line: str, indent: str) -> list[str]:
    return textwrap.wrap(
        line,
        WIDTH,
        subsequent_indent=f"{indent}   ",
        break_long_words=False,
        break_on_hyphens=False,
    )
