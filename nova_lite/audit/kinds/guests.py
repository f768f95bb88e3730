"""Guests that are where no server is, and servers that have no guest."""

from nova_lite import states
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit.finding import found
from nova_lite.audit.finding import kind
from nova_lite.audit.finding import Severity


@kind(
    "guest-twice",
    Severity.CRITICAL,
    "A server has guests on more than one host",
    consequence="Two guests that write to one disk destroy what is on it.",
    advice="Find out which of them is the server's (it is on the server's host), stop the other "
    "with 'virsh destroy' and see that its disks are not in use before 'virsh undefine'.",
)
def _guest_twice(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        places = all_facts.places.get(server.uuid, [])
        if len(places) > 1:
            where = ", ".join(sorted(place.host for place in places))
            says = f"Server {server.uuid} belongs to host {server.host}; guests are on {where}"
            yield found("guest-twice", says, where, server=server.uuid)


@kind(
    "guest-elsewhere",
    Severity.CRITICAL,
    "A server's guest is on another host than the database says",
    consequence="Whatever is asked of the server goes to a host that does not have it, and the "
    "host that has it may be told to remove it.",
    advice="Find out which host is right before anything is done with server {server}.",
)
def _guest_elsewhere(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        places = all_facts.places.get(server.uuid, [])
        if len(places) == 1 and places[0].host != server.host:
            says = f"Server {server.uuid} is on {server.host}, its guest on {places[0].host}"
            yield found("guest-elsewhere", says, server=server.uuid, host=places[0].host)


@kind(
    "guest-missing",
    Severity.ERROR,
    "A server has no guest",
    consequence="Its user cannot reach it, and every operation on it will fail.",
    advice="Look for it with 'virsh list --all' on {host}. If it is gone, its volumes are not: "
    "delete the server, keeping them, and boot another one from them.",
)
def _guest_missing(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        if server.vm_state not in facts.HAS_GUEST or all_facts.places.get(server.uuid):
            continue
        if all_facts.knows(server.host, "guests"):
            says = f"Server {server.uuid} is {server.vm_state}; host {server.host} has no guest"
            yield found("guest-missing", says, server=server.uuid, host=server.host)


@kind(
    "guest-of-deleted-server",
    Severity.WARNING,
    "A guest of a server that was deleted",
    consequence="It runs for nobody, and may still write to volumes.",
    advice="The host removes it by itself within [compute] resource_report_interval_s; if it "
    "stays, its log says why.",
    repair="asks the host to remove, now, what is left of deleted servers",
)
def _guest_of_deleted(all_facts: facts.Facts) -> finding.Yields:
    for uuid, places in sorted(all_facts.places.items()):
        if all_facts.is_gone(uuid):
            for place in places:
                says = f"Host {place.host} has a guest of server {uuid}, which is deleted"
                yield found("guest-of-deleted-server", says, server=uuid, host=place.host)


@kind(
    "guest-of-nobody",
    Severity.ERROR,
    "A guest of this node whose server no database knows",
    consequence="It uses the host and its volumes, and nobody can reach or delete it. It may be "
    "somebody's: a restored database forgets what came after the backup.",
    advice="Find out whose it is ('virsh dumpxml {server}' on {host} shows its name). Nothing "
    "here will ever remove it.",
)
def _guest_of_nobody(all_facts: facts.Facts) -> finding.Yields:
    for uuid, places in sorted(all_facts.places.items()):
        if all_facts.is_stranger(uuid):
            for place in places:
                says = f"Host {place.host} has guest {place.guest.name} of an unknown server"
                yield found("guest-of-nobody", says, server=uuid, host=place.host)


@kind(
    "power-state",
    Severity.WARNING,
    "The database has another power state than the hypervisor",
    consequence="Users see a server run that does not, or the other way round.",
    advice="An event was lost. 'openstack server show {server}' shows what the database has.",
    repair="writes the hypervisor's state into the database",
)
def _power_state(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        place = all_facts.place_of(server)
        if place is None or place.guest.power_state == server.power_state:
            continue
        ours, theirs = (_power(s) for s in (server.power_state, place.guest.power_state))
        says = f"Server {server.uuid} is {ours} in the database, {theirs} on {place.host}"
        yield found("power-state", says, theirs, server=server.uuid, host=place.host)


def _power(state: int) -> str:
    try:
        return states.PowerState(state).name
    except ValueError:
        return str(state)
