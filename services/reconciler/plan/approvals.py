"""What becomes of an approval: it is for one removal, of what it was given for. Pure.

What is put back on a device is like what was removed, to the last byte of its fingerprint. So an
approval is used up before the removal is asked for, and ends when what it is for is seen to be
gone, changed or needed. The time that an orphan has waited is used up likewise.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from libs.core.images import INNER_NAME, Image
from services.reconciler.findings import Finding
from services.reconciler.inventory import Index
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision
from services.reconciler.model import ItemKind

_LONG_AGO = 0.0
"""When an approval that is used up has ended, by the clock of whichever leader."""


def lasting(
    decisions: Mapping[str, OrphanDecision],
    judged: Collection[str],
    standing: Collection[str],
    index: Index,
    now: float,
) -> dict[str, OrphanDecision]:
    """Return the decisions that a pass leaves as they are.

    Args:
        decisions: what people decided, by the keys of orphans.
        judged: the names of the devices of which every orphan was told.
        standing: the keys of orphans there for which a decision holds.
        index: what was read.
        now: the time.
    """

    def lasts(key: str, decision: OrphanDecision) -> bool:
        holds = decision.until is None or now < decision.until
        if decision.kind is DecisionKind.IGNORED or key in standing:
            return holds
        kind, device, item_id = key.split(" ", 2)
        is_over = device in judged or _is_needed(ItemKind(kind), device, item_id, index)
        return holds and not is_over

    return {key: decision for key, decision in decisions.items() if lasts(key, decision)}


def _is_needed(kind: ItemKind, device: str, item_id: str, index: Index) -> bool:
    """Whether something certainly refers to what is on a device that was not listed."""
    sound = (index.nodes_sound, index.attachments_sound, index.volumes_sound, index.contents_sound)
    about = _named_for(kind, item_id)
    words = index.referrer(about, device)
    if kind is not ItemKind.SNAPSHOT:
        words = words or index.holder(about, device)
    return bool(words) and index.views_sound and all(sound)


def _named_for(kind: ItemKind, item_id: str) -> str:
    """Return the ID of a volume or snapshot; of a path, the volume that it is named for."""
    image = Image.parse(f"{item_id}/{INNER_NAME}" if kind is ItemKind.SUBVOLUME else item_id)
    return image.slot.text if image else item_id


def objection(memory: Memory, finding: Finding, now: float) -> str:
    """Say why nothing may be done about a finding any more, in plain words; empty where it may.

    Args:
        memory: what is remembered at this moment.
        finding: as it was decided.
        now: the time.
    """
    if memory.paused is not None and memory.paused.holds(now):
        return f"{memory.paused.by} paused everything"
    if (orphan := finding.orphan) is None:
        return ""
    is_known = memory.first_seen.get(finding.id) == finding.first_seen
    if is_known and memory.decisions.get(orphan.key) == orphan.decision:
        return ""
    return "what is remembered of it, or was decided about it, has changed meanwhile"


def used(memory: Memory, finding: Finding, at: float) -> Memory:
    """Return the memory with which the removal of an orphan may be asked for, once it is saved.

    Whatever is there from then on was not approved, and has not waited.
    """
    return replace(
        memory.removed(at),
        decisions={
            **memory.decisions,
            **{key: _ended(decision) for key, decision in _approval(finding)},
        },
        first_seen={**memory.first_seen, finding.id: _short(at)},
    )


def given_back(memory: Memory, finding: Finding, at: float) -> Memory:
    """Return the memory after a removal that certainly did not happen; what has changed stays."""
    decisions, first_seen = dict(memory.decisions), dict(memory.first_seen)
    removals = list(memory.removals)
    for key, decision in _approval(finding):
        if decisions.get(key) == _ended(decision):
            decisions[key] = decision
    if first_seen.get(finding.id) == _short(at):
        first_seen[finding.id] = finding.first_seen
    if at in removals:
        removals.remove(at)
    return replace(memory, decisions=decisions, first_seen=first_seen, removals=tuple(removals))


def _approval(finding: Finding) -> list[tuple[str, OrphanDecision]]:
    orphan = finding.orphan
    if orphan is None or orphan.decision is None:
        return []
    return [(orphan.key, orphan.decision)]


def _ended(decision: OrphanDecision) -> OrphanDecision:
    return replace(decision, until=_LONG_AGO)


def _short(at: float) -> float:
    return math.ceil(at * 10) / 10
