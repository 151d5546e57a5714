"""Which node the device lets use a volume, and which not. Pure."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum

from libs.core.errors import InUse, Unsupported
from libs.core.ids import Slot, VolumeId
from libs.rdsclient.model import SlotState
from services.controller.plan.copies import dead_copies
from services.controller.plan.steps import AdmitHost, ExportDisk, Look, Step, Terms, found, managed
from services.controller.ports import Node
from services.controller.requests.volumes import Publication

NOBODY = "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-000000000000"
"""The only host that a fenced volume admits while no node holds it: one that there is not. It is
also the mark by which a fenced volume is known, since the device keeps no other notes."""


class Fencing(Enum):
    """What the device had to be told, for a node to be shut out or let in."""

    OFF = "off"
    """Nothing: the controller runs without --fencing."""

    NOT_FENCED = "not fenced"
    """Nothing: it lets in everybody."""

    ALREADY = "already"
    """Nothing: it did so already."""

    CHANGED = "changed"
    """It was told, and confirmed it."""

    NO_VOLUME = "no volume"
    """Nothing: there is no such volume."""


def is_fenced(seen: SlotState | None) -> bool:
    """Whether the device admits only hosts that it was told of."""
    return seen is not None and seen.disk is not None and seen.disk.is_restricted


def render_hosts(nodes: Sequence[Node], mode: str) -> str:
    """Return whom the device is to admit, as the text of its property.

    Args:
        nodes: the holders, the one that came last at the end.
        mode: what to do about several: `list`, `last` or `refuse`.

    Raises:
        InUse: a node has not said its host NQN, or there are several and that is refused.
    """
    for node in nodes:
        if not node.host_nqn:
            raise InUse(
                f"the volume is fenced, and node {node.name} has not said its host NQN: is the "
                "node plugin running there?"
            )
    if len(nodes) > 1 and mode == "refuse":
        names = ", ".join(node.name for node in nodes)
        raise InUse(
            f"the volume is fenced and would have to admit {names} at once; the controller is "
            "configured not to (--fencing-two-hosts=refuse)"
        )
    admitted = nodes[-1:] if mode == "last" else nodes
    return ",".join(node.host_nqn for node in admitted) or NOBODY


def render_instead(nodes: Iterable[Node], mode: str) -> str:
    """Return whom the device is to admit again when the node leaves that came after these.

    Only `last` had them make room for it. With `list` they are on the list, or were shut out.
    """
    said = [node for node in nodes if node.host_nqn]
    return render_hosts(said, mode) if said and mode == "last" else ""


def plan_publish(
    wanted: Publication,
    hosts: str | None,
    terms: Terms,
    seen: SlotState | None,
    *,
    beside: Iterable[str] = (),
) -> tuple[Step, ...]:
    """Plan a publication: the device changes nothing, unless the volume is fenced.

    Args:
        wanted: what is asked for.
        hosts: whom a fenced volume is to admit; None where nothing is fenced here.
        terms: what the plan is made under.
        seen: the volume, as it was last seen.
        beside: the host NQNs of the other nodes that have it.

    Raises:
        NotFound: there is no such volume.
        InUse: the volume is not exported, or is being copied.
        Unsupported: the volume is fenced, and the device or the configuration cannot do that.
    """
    slot = managed(wanted.volume).slot
    if seen is None:
        return (Look(slot),)
    disk = found(wanted.volume, seen)
    if disk.export is None:
        if disk.is_restricted and hosts is not None:
            return (ExportDisk(slot),)  # the device stopped between the two halves of a cut
        raise InUse(f"volume {wanted.volume} is not exported by the device")
    if not terms.limits.copy_attached and (dead := dead_copies(seen, terms, "it can be attached")):
        return dead
    admitted = disk.export.allowed_host
    if not admitted or admitted == hosts:
        return ()
    if hosts is None:
        raise Unsupported(
            f"volume {wanted.volume} is fenced on the device, and the controller runs without "
            "--fencing"
        )
    return (_admit(slot, admitted, hosts, beside),)


def _admit(slot: Slot, admitted: str, hosts: str, beside: Iterable[str] = ()) -> AdmitHost:
    """Return the step from who is admitted to who is to be.

    Who is shut out is cut off as well, if nobody stays: a device that only refuses new connections
    would let a node that was declared dead write on. Who stays must not be cut off: a host whose
    reconnect is refused may give the volume up. That is so also of one that has the volume beside
    and is only not on the list, as the source of a migration where the device lets in the last.
    """
    before, after = set(admitted.split(",")) - {NOBODY}, set(hosts.split(","))
    nobody_stays = bool(before) and before.isdisjoint(after) and after.issuperset(beside)
    return AdmitHost(slot, hosts, only_fenced=True, cut=nobody_stays)


def plan_whole(
    volume: VolumeId,
    terms: Terms,  # noqa: ARG001 (every plan has them)
    seen: SlotState | None,
) -> tuple[Step, ...]:
    """Plan to look at a volume, and to end a cut that the device broke off: then it has a list."""
    if not volume.is_managed:
        return ()
    if seen is None:
        return (Look(volume.slot),)
    if seen.disk is not None and seen.disk.export is None and seen.disk.is_restricted:
        return (ExportDisk(volume.slot),)  # the device stopped between the two halves of a cut
    return ()


def hosts_leaving(
    leaving: Node | None, staying: Iterable[str], seen: SlotState | None
) -> frozenset[str] | None:
    """Return the hosts that a node may be on a volume's list as; None for all.

    That is its host NQN. Where that is not known, or not on the list, it may have been let in under
    another: then it is any host but those of who stays.

    Args:
        leaving: the node; None for all.
        staying: the host NQNs of all others that have, or wait for, the volume. They have to be
            read after `seen`: whoever is on that list had a claim before, and is not mistaken.
        seen: the volume.
    """
    if leaving is None:
        return None
    listed = set(_admitted(seen).split(","))
    if leaving.host_nqn in listed:
        return frozenset([leaving.host_nqn])
    return frozenset(listed - set(staying) | {leaving.host_nqn})


def _admitted(seen: SlotState | None) -> str:
    export = seen.disk.export if seen and seen.disk else None
    return export.allowed_host if export else ""


def plan_revoke(
    volume: VolumeId,
    out: AbstractSet[str] | None,
    terms: Terms,
    seen: SlotState | None,
    *,
    instead: str = "",
) -> tuple[Step, ...]:
    """Plan to shut hosts out of a fenced volume; one that is gone needs nothing.

    Whoever else is admitted now stays so: what other calls have decided meanwhile is not undone.

    Args:
        volume: the volume.
        out: the hosts; None for all.
        terms: what the plan is made under.
        seen: the volume, as it was last seen.
        instead: whom to let in again where nobody is left: who had to make room for the leaving one
            and has the volume, and so a connection, that must not be cut off.
    """
    if first := plan_whole(volume, terms, seen):
        return first
    admitted = _admitted(seen) if volume.is_managed else ""
    if admitted in {"", NOBODY}:
        return ()
    hosts = ",".join(host for host in admitted.split(",") if out is not None and host not in out)
    if not hosts and instead:
        return (AdmitHost(volume.slot, instead, only_fenced=True),)
    return () if hosts == admitted else (_admit(volume.slot, admitted, hosts or NOBODY),)


def plan_admit(
    volume: VolumeId,
    node: Node,
    mode: str,
    terms: Terms,  # noqa: ARG001 (every plan has them)
    seen: SlotState | None,
) -> tuple[Step, ...]:
    """Plan to let a node in to a fenced volume; one that is not fenced needs nothing.

    Whoever is admitted now stays so, as far as `mode` allows.

    Args:
        volume: the volume.
        node: the node, which the volume is attached to.
        mode: what to do about several nodes: `list`, `last` or `refuse`.
        terms: what the plan is made under.
        seen: the volume, as it was last seen.

    Raises:
        NotFound: there is no such volume.
        InUse: the node has not said its host NQN, or another one is let in and that is refused.
    """
    slot = managed(volume).slot
    if seen is None:
        return (Look(slot),)
    disk = found(volume, seen)
    if not disk.is_restricted:
        return ()
    if disk.export is None:
        return (ExportDisk(slot),)  # the device stopped between the two halves of a cut
    admitted = disk.export.allowed_host
    others = [host for host in admitted.split(",") if host not in {NOBODY, ""}]
    if node.host_nqn and node.host_nqn in admitted.split(","):
        return ()
    hosts = render_hosts([*(Node(f"host {host}", host) for host in others), node], mode)
    return (AdmitHost(slot, hosts, only_fenced=True),)


def fencing_result(seen: SlotState | None, steps: Iterable[Step]) -> Fencing:
    """Return what came of a plan, from what was seen last and the steps that were sent."""
    if seen is None or seen.disk is None:
        return Fencing.NO_VOLUME
    if any(not isinstance(step, Look) for step in steps):
        return Fencing.CHANGED
    return Fencing.ALREADY if seen.disk.is_restricted else Fencing.NOT_FENCED


def plan_fencing(
    volume: VolumeId,
    hosts: str,
    terms: Terms,  # noqa: ARG001 (every plan has them)
    seen: SlotState | None,
) -> tuple[Step, ...]:
    """Plan to begin fencing a volume, or with an empty `hosts` to end it.

    One that is fenced already keeps its list: it says what other calls, and other replicas, have
    decided, and the claims may not tell of that yet.

    Raises:
        NotFound: there is no such volume.
        InUse: the volume is not exported, so that fencing it would look like half of a cut.
    """
    if seen is None:
        return (Look(managed(volume).slot),)
    disk = found(volume, seen)
    if disk.is_restricted and disk.export is None:
        return (ExportDisk(volume.slot),)  # the device stopped between the two halves of a cut
    if disk.is_restricted == bool(hosts):
        return ()
    if disk.export is None:
        raise InUse(f"volume {volume} is not exported by the device")
    return (AdmitHost(volume.slot, hosts),)
