"""Forty live volumes, what nothing refers to beside them, and what a person said to that."""

from services.reconciler.findings import ActionKind, Decision, orphan_key
from services.reconciler.inventory import Seen
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision
from services.reconciler.model import ItemKind, SnapshotContent
from tests.unit.reconciler.values import (
    DEVICE,
    DRIVER,
    NOW,
    V1,
    device,
    leftover,
    node,
    pv,
    seen,
    snapshot,
    snapshot_id,
    volume,
    volume_id,
)

LIVE = [pv(volume_id(100 + number)) for number in range(40)]
STOCK = [volume(one.handle) for one in LIVE]
CONTENT = SnapshotContent("snapcontent-x", "uid-x", DRIVER, handles=(snapshot_id(50),))
S1 = snapshot_id(1)


def fleet(*orphans: object, **given: object) -> Seen:
    """Return forty live volumes, and what nothing refers to."""
    volumes = [one for one in orphans if type(one) is type(STOCK[0])]
    snapshots = [one for one in orphans if type(one) is type(snapshot(S1))]
    leftovers = [one for one in orphans if type(one) is type(leftover(V1))]
    whole = device(
        *STOCK,
        *volumes,
        snapshots=[snapshot(snapshot_id(50)), *snapshots],
        leftovers=leftovers,
    )
    base = {"pvs": LIVE, "contents": [CONTENT], "devices": [whole], "nodes": [node()]}
    return seen(**(base | given))  # type: ignore[arg-type]


def removed(decision: Decision) -> list[str]:
    return [a.item_id for a in decision.actions if a.kind is ActionKind.DELETE_ORPHAN]


def said(kind: DecisionKind, key: str, fingerprint: str, until: float | None = None) -> Memory:
    decision = OrphanDecision(kind, fingerprint, "anna", "old test", NOW, until)
    return Memory().decided(key, decision)


KEY = orphan_key(ItemKind.VOLUME, DEVICE, V1)
APPROVED = said(DecisionKind.APPROVED, KEY, volume().fingerprint)
