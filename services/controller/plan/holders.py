"""Who holds a volume, and whether it leaves room for one more. Pure."""

from collections.abc import Iterable

from libs.core.ids import NodeId
from libs.csikit.capability import BLOCK_ONLY_MODES, SHARED_READ_MODES
from services.controller.plan.migration import Held, check_migration
from services.controller.ports import Attachment
from services.controller.requests.volumes import Publication

MIGRATION_NODES = 2
"""Nodes that may hold a raw block volume at once: the two ends of a live migration."""


def check_holders(wanted: Publication, held: Iterable[Attachment], now: float) -> None:
    """Check that the nodes that hold the volume leave room for this one.

    Of two claims that are both still pending the older goes first, so that whichever replica is
    asked gives the same answer.

    Raises:
        InUse: they do not; the message names them, and says what to do.
    """
    held = tuple(held)
    others = [claim for claim in held if claim.node != wanted.node.text]
    own = [claim for claim in held if claim.node == wanted.node.text]
    granted = any(claim.attached for claim in own)
    oldest = min((claim.order for claim in own), default=None)
    ahead = [
        claim
        for claim in others
        if claim.attached or not (granted or (oldest is not None and oldest < claim.order))
    ]
    if wanted.capability.mode in SHARED_READ_MODES:
        ahead = [claim for claim in ahead if not claim.read_only]
    nodes = sorted({claim.node for claim in ahead})
    if not nodes:
        return
    if wanted.capability.mode not in BLOCK_ONLY_MODES:
        raise Held(
            f"volume {wanted.volume} is attached to {', '.join(nodes)} and cannot be attached to "
            f"{wanted.node} as well"
        )
    if len(nodes) >= MIGRATION_NODES:
        raise Held(
            f"volume {wanted.volume} is attached to {', '.join(nodes)}, and a live migration has "
            f"two ends: it cannot be attached to {wanted.node} as well"
        )
    if not granted:
        check_migration(wanted, nodes[0], own, now)


def holders_beside(wanted: Publication, held: Iterable[Attachment]) -> set[str]:
    """Return the other nodes that have the volume, or may have been given it a moment ago."""
    held = tuple(held)
    own = [claim.order for claim in held if claim.node == wanted.node.text]
    return {
        claim.node
        for claim in held
        if claim.node != wanted.node.text
        and (claim.attached or (bool(own) and claim.order < min(own)))
    }


def holders_before(node: NodeId | None, held: Iterable[Attachment]) -> list[str]:
    """Return the nodes that had the volume when this one came for it, the oldest first.

    With no node, which stands for all, there are none.
    """
    if node is None:
        return []
    held = tuple(held)
    own = [claim.order for claim in held if claim.node == node.text]
    return by_age(c for c in held if c.attached and (not own or c.order < min(own)))


def by_age(held: Iterable[Attachment]) -> list[str]:
    """Return the nodes that have claims, the one that came last at the end."""
    return list(dict.fromkeys(claim.node for claim in sorted(held, key=lambda c: c.order)))
