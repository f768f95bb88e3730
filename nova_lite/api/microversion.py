"""Microversions: Nova's numbers, negotiated by two headers.

``OpenStack-API-Version: compute 2.60`` and, older, ``X-OpenStack-Nova-API-Version:
2.60``. Without either a client speaks 2.1. The named constants are what views and
handlers compare with, so that a condition says what it is about.
"""

import collections.abc
import re
import typing

import microversion_parse

from nova_lite import exceptions

SERVICE_TYPE = "compute"
HEADER = "OpenStack-API-Version"
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"

F = typing.TypeVar("F", bound=collections.abc.Callable[..., typing.Any])


class Version(typing.NamedTuple):
    """A microversion; compares like the pair of numbers it is."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


MINIMUM = Version(2, 1)
MAXIMUM = Version(2, 100)

# What arrives with which version.
KEYPAIR_TYPES = Version(2, 2)
EXTENDED_SERVER_ATTRIBUTES = Version(2, 3)  # and delete_on_termination of volumes
NO_ACCESS_TO_PUBLIC_FLAVOR = Version(2, 7)
LOCKED_SHOWN = Version(2, 9)
KEYPAIRS_OF_USERS = Version(2, 10)
FORCE_DOWN = Version(2, 11)
HOST_STATUS = Version(2, 16)
SERVER_DESCRIPTION = Version(2, 19)
ATTACH_WHEN_SHELVED = Version(2, 20)
ACTIONS_OF_DELETED = Version(2, 21)
SERVER_TAGS = Version(2, 26)
CPU_INFO_OBJECT = Version(2, 28)
PAGED_HYPERVISORS = Version(2, 33)
PAGED_KEYPAIRS = Version(2, 35)
NO_PROXIES = Version(2, 36)
STATUS_CHECKED = Version(2, 38)
NO_IMAGE_METADATA_LIMIT = Version(2, 39)
PAGED_USAGE = Version(2, 40)
IMAGE_ID_IN_BODY = Version(2, 45)
EMBEDDED_FLAVOR = Version(2, 47)
TAGGED_ATTACH = Version(2, 49)
SERVER_GROUP_QUOTAS = Version(2, 50)
EVENTS_FOR_ALL = Version(2, 51)
UUIDS_OF_SERVICES = Version(2, 53)
FLAVOR_DESCRIPTION = Version(2, 55)
NO_PERSONALITY = Version(2, 57)
PAGED_ACTIONS = Version(2, 58)
MULTIATTACH = Version(2, 60)
EXTRA_SPECS_IN_FLAVOR = Version(2, 61)
HOST_IN_EVENTS = Version(2, 62)
TRUSTED_CERTIFICATES = Version(2, 63)
CHANGES_BEFORE = Version(2, 66)
SERVICES_ZONE_UNKNOWN = Version(2, 69)
TAGS_IN_ATTACHMENTS = Version(2, 70)
SERVER_GROUPS_SHOWN = Version(2, 71)
LOCKED_REASON = Version(2, 73)
STRICT_AND_UNIFORM = Version(2, 75)  # swap is a number; update shows everything
DELETE_ON_TERMINATION_IN_ATTACHMENTS = Version(2, 79)
MORE_SERVER_FILTERS = Version(2, 83)
DETAILS_IN_EVENTS = Version(2, 84)
UPDATE_ATTACHMENT = Version(2, 85)
HYPERVISOR_USAGE_GONE = Version(2, 88)
ATTACHMENT_IDS = Version(2, 89)
HOSTNAME = Version(2, 90)
IMPORTED_KEYPAIRS = Version(2, 92)  # none are generated
FQDN = Version(2, 94)
PINNED_ZONE = Version(2, 96)
IMAGE_PROPERTIES_SHOWN = Version(2, 98)
SCHEDULER_HINTS_SHOWN = Version(2, 100)

_FORMAT = re.compile(r"^([1-9]\d*)\.([1-9]\d*|0)$")


class MalformedVersion(exceptions.InvalidInput):
    """The version header is not ``major.minor`` or ``latest``."""

    template = (
        "API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
    )


class UnsupportedVersion(exceptions.NovaLiteError):
    """A well-formed version that this API does not have."""

    template = (
        "Version {text} is not supported by the API. "
        "Minimum is {minimum} and maximum is {maximum}."
    )
    http_status = 406


def parse(text: str) -> Version:
    """``"2.60"`` as a :class:`Version`.

    :raises MalformedVersion: it is not of that form.
    """
    match = _FORMAT.match(text)
    if match is None:
        raise MalformedVersion(text=text)
    return Version(int(match[1]), int(match[2]))


def negotiate(headers: collections.abc.Mapping[str, str]) -> Version:
    """The version a request asks for.

    :param headers: the request's headers.
    :raises MalformedVersion: 400.
    :raises UnsupportedVersion: 406.
    """
    try:
        text = microversion_parse.get_version(
            headers, service_type=SERVICE_TYPE, legacy_headers=[LEGACY_HEADER]
        )
    except ValueError as error:
        raise MalformedVersion(text=headers.get(HEADER.lower(), "")) from error
    if text is None:
        return MINIMUM
    if text == "latest":
        return MAXIMUM
    version = parse(text)
    if not MINIMUM <= version <= MAXIMUM:
        raise UnsupportedVersion(text=text, minimum=MINIMUM, maximum=MAXIMUM)
    return version


def available(
    since: str = str(MINIMUM), until: str = str(MAXIMUM)
) -> collections.abc.Callable[[F], F]:
    """Limit a handler to a range of versions; others answer 404."""

    def mark(handler: F) -> F:
        handler.available = (parse(since), parse(until))  # type: ignore[attr-defined]
        return handler

    return mark


def is_available(handler: collections.abc.Callable[..., object], version: Version) -> bool:
    """Whether ``handler`` exists at ``version``."""
    since, until = getattr(handler, "available", (MINIMUM, MAXIMUM))
    return bool(since <= version <= until)
