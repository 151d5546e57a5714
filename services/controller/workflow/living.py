"""Claims that count."""

import structlog

from libs.core.ids import VolumeId
from services.controller.ports import Attachment, Cluster

log = structlog.get_logger(__name__)


async def living(
    cluster: Cluster, volume: VolumeId, claims: tuple[Attachment, ...]
) -> tuple[Attachment, ...]:
    """Return the claims of nodes that there are: one that no longer exists holds nothing up."""
    left = []
    for claim in claims:
        if await cluster.node(claim.node) is None:
            log.warning(
                "a node that no longer exists does not count", volume=volume.text, node=claim.node
            )
            continue
        left.append(claim)
    return tuple(left)
