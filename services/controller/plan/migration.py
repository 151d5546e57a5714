"""Live migrations: two nodes that have one volume for a while. Pure."""

from collections.abc import Iterable, Sequence

from libs.core.errors import InUse
from libs.core.ids import NodeId
from libs.csikit.capability import SHARED_READ_MODES
from services.controller.happenings import Migration
from services.controller.ports import Attachment
from services.controller.requests.volumes import Publication


class Held(InUse):
    """Other nodes have the volume."""


class MigrationTimedOut(InUse):
    """A live migration has taken longer than it may."""


def check_migration(
    wanted: Publication, source: str, own: Sequence[Attachment], now: float
) -> None:
    """Check that a migration to this node has not been going on for too long.

    It began when the node's claim was made, which every replica reads from the same object.
    """
    began = min((claim.since for claim in own), default=now)
    waited = now - began
    if waited > wanted.migration_timeout:
        raise MigrationTimedOut(
            f"the migration of volume {wanted.volume} from {source} to {wanted.node} has taken "
            f"{waited:.0f} s, more than migrationTimeoutSeconds ({wanted.migration_timeout}); end "
            f"it by deleting the pod on {wanted.node} or, if the machine no longer runs there, the "
            f"one on {source}, and migrate again"
        )


def source_of_migration(wanted: Publication, held: Iterable[Attachment]) -> str:
    """Return the node that a volume is attached to beside this one, where both may write."""
    if wanted.capability.mode in SHARED_READ_MODES:
        return ""
    others = (c.node for c in held if c.node != wanted.node.text and c.attached)
    return next(others, "")


def migration_ended(
    node: NodeId | None, held: Iterable[Attachment], now: float
) -> tuple[Migration, str, float] | None:
    """Return how a live migration ends when a node gives a volume back, if one does.

    It is complete when the older holder leaves, and given up when the younger one does.

    Args:
        node: who gives it back; None for all, which ends no migration.
        held: who has it until then.
        now: seconds since 1970.

    Returns:
        Its end, the node that stays, and how long it took in seconds.
    """
    writers = [claim for claim in held if claim.attached and not claim.read_only]
    leaving = next((c for c in writers if node and c.node == node.text), None)
    staying = next((c for c in writers if node and c.node != node.text), None)
    if leaving is None or staying is None:
        return None
    second = max(leaving, staying, key=lambda claim: claim.order)
    end = Migration.COMPLETED if second is staying else Migration.ABANDONED
    return end, staying.node, max(now - second.since, 0.0)
