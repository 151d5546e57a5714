"""How much is too much for one pass: then something else is wrong than what it looks like. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.reconciler.inventory import Index
from services.reconciler.memory import Memory
from services.reconciler.model import Ready
from services.reconciler.rules import Rules

_MANY = 3
"""Nodes that must be lost for it to be the cluster: two of three is bad luck."""

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Lost:
    """Why nodes that are gone, or not Ready, are left alone; empty where they are not."""

    gone: str
    not_ready: str


def find_lost(index: Index, rules: Rules) -> Lost:
    """Say whether so many nodes are lost that it is rather the cluster that is ill.

    As when the control plane is cut off from its nodes, or was restored from an old backup.
    Kubernetes itself stops evicting pods then. Nodes with the out-of-service taint count as well:
    they are lost, too; but somebody has said so, and they are always seen to.
    """
    there = len(index.nodes)
    away = sum(node.ready is not Ready.YES for node in index.nodes.values())
    named = {held.attachment.node for held in index.held if held.attachment.node}
    gone = sum(name not in index.nodes for name in named)
    say_off = "Where they are off, taint them as out of service."
    return Lost(
        _too_many(gone, there + gone, rules, "do not exist any more"),
        _too_many(away, there, rules, "are not Ready", say_off),
    )


def _too_many(lost: int, nodes: int, rules: Rules, words: str, advice: str = "") -> str:
    no_nodes = lost and lost == nodes
    if not no_nodes and (lost < _MANY or lost * 100 <= nodes * rules.max_lost_percent):
        return ""
    return (
        f"{lost} of {nodes} nodes {words}, so it is rather the cluster that is ill, and nothing is "
        f"taken from them. {advice}"
    ).rstrip()


@dataclass(frozen=True, slots=True)
class Due:
    """An orphan that is due to be removed.

    Attributes:
        finding_id: its finding.
        device: the name of its device.
        is_approved: whether a person said so.
        since: when it was first seen, or approved.
        suspect: why no orphan of its sort is removed without approval; empty where it may be.
    """

    finding_id: str
    device: str
    is_approved: bool
    since: float
    suspect: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which orphans are removed.

    Attributes:
        ids: their findings.
        why_not: why the others are not, by their findings.
        stopped: why none but approved ones is, where that is so.
    """

    ids: frozenset[str]
    why_not: Mapping[str, str]
    stopped: str


def choose(
    due: Iterable[Due], items: Mapping[str, int], memory: Memory, rules: Rules, now: float
) -> Chosen:
    """Choose which orphans are removed in this pass.

    More at once than is plausible means that what refers to them was lost, so then none is. What a
    person approved one by one is not stopped by that, and is removed as far as the limits go.

    Args:
        due: all that are due.
        items: how many items each device has.
        memory: what was removed lately.
        rules: the limits.
        now: the time.
    """
    ordered = sorted(due, key=lambda one: (not one.is_approved, one.since, one.finding_id))
    lately = sum(at > now - _HOUR for at in memory.removals)
    room = max(min(rules.max_orphans, rules.max_orphans_hourly - lately), 0)
    stopped = _stopped([one for one in ordered if not one.is_approved], items, rules)
    ids: list[str] = []
    why_not: dict[str, str] = {}
    for one in ordered:
        if not one.is_approved and (one.suspect or stopped):
            why_not[one.finding_id] = one.suspect or stopped
        elif len(ids) >= room:
            why_not[one.finding_id] = (
                f"A pass removes {rules.max_orphans} orphans at most, and an hour "
                f"{rules.max_orphans_hourly}; its turn comes."
            )
        else:
            ids.append(one.finding_id)
    return Chosen(frozenset(ids), why_not, stopped)


def _stopped(due: list[Due], items: Mapping[str, int], rules: Rules) -> str:
    advice = (
        "so none is, until somebody has looked: is this the right cluster, and were objects lost? "
        "Approve those that may go."
    )
    if len(due) > rules.max_orphans:
        limit = rules.max_orphans
        return f"{len(due)} orphans would be removed, more than {limit} in a pass, {advice}"
    for device, count in sorted(Counter(one.device for one in due).items()):
        share = max(items[device] * rules.max_orphans_percent // 100, 1)
        if count > share:
            return (
                f"{count} orphans of {items[device]} items on {device} would be removed, "
                f"more than {rules.max_orphans_percent} %, {advice}"
            )
    return ""
