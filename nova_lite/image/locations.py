"""Where Glance keeps an image's data: the URLs of its locations.

Only ``rbd://FSID/POOL/IMAGE/SNAPSHOT`` says enough to be cloned; each part is
percent-encoded, as Glance's RBD store writes it (S6). All other stores are reached
through Glance alone (S10-S13): a URL of theirs is never opened.
"""

import collections.abc
import dataclasses
import typing
import urllib.parse

RBD_SCHEME = "rbd://"


@dataclasses.dataclass(frozen=True)
class RbdLocation:
    """A snapshot of an RBD image in a Ceph cluster."""

    fsid: str
    pool: str
    image: str
    snapshot: str

    def __str__(self) -> str:
        return f"{self.pool}/{self.image}@{self.snapshot}"


def parse(url: str) -> RbdLocation | None:
    """The location that a URL names; None if it is none that can be cloned."""
    if not url.startswith(RBD_SCHEME):
        return None
    try:
        parts = [
            urllib.parse.unquote(part, errors="strict")
            for part in url[len(RBD_SCHEME) :].split("/")
        ]
    except UnicodeDecodeError:
        return None
    if len(parts) != 4 or not all(_is_plain(part) for part in parts):
        return None
    return RbdLocation(*parts)


def url_of(location: RbdLocation) -> str:
    """The URL that :func:`parse` reads."""
    parts = (location.fsid, location.pool, location.image, location.snapshot)
    return RBD_SCHEME + "/".join(urllib.parse.quote(part, safe="") for part in parts)


def rbd_locations(urls: collections.abc.Iterable[str]) -> list[RbdLocation]:
    """The clonable ones among an image's locations, in Glance's order."""
    found = (parse(url) for url in urls)
    return list(dict.fromkeys(location for location in found if location is not None))


def urls_of(image: collections.abc.Mapping[str, typing.Any]) -> list[str]:
    """The locations in an image as Glance shows it, the best first: none if its
    configuration or policy hides them."""
    shown = [str(each["url"]) for each in image.get("locations") or () if each.get("url")]
    direct = image.get("direct_url")
    return list(dict.fromkeys([*([str(direct)] if direct else []), *shown]))


def _is_plain(part: str) -> bool:
    """Whether Ceph could have such a name, which means one thing only there."""
    return bool(part) and part.isprintable() and not any(sign in part for sign in "/@")
