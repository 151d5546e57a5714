"""Adapters of this service alone."""

import itertools
from collections import defaultdict
from collections.abc import Mapping

from libs.core.ids import NodeId, VolumeId
from libs.kube.attachments import Claim, list_claims
from libs.kube.client import KubeClient
from services.controller.ports import Attachment


class MemoryAttachments:
    """Attachments known only to this process: for demos and tests, where no cluster is.

    It forgets everything when it ends, so a restarted controller would attach a volume twice; the
    cluster's VolumeAttachments are the truth wherever there is a cluster.
    """

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Attachment]] = {}
        self._count = itertools.count()

    async def of_volume(self, volume: VolumeId) -> tuple[Attachment, ...]:
        """Return the claims to one volume."""
        return tuple(self._held.get(volume.text, {}).values())

    async def by_volume(self) -> Mapping[str, tuple[Attachment, ...]]:
        """Return the claims to all volumes, by volume ID."""
        return {volume: tuple(held.values()) for volume, held in self._held.items()}

    async def record(self, volume: VolumeId, node: NodeId) -> None:
        """Note that a volume was published to a node."""
        claim = Attachment(node.text, attached=True, order=(f"{next(self._count):012}", ""))
        self._held.setdefault(volume.text, {}).setdefault(node.text, claim)

    async def forget(self, volume: VolumeId, node: NodeId | None) -> None:
        """Note that a volume was taken from a node, or from all."""
        held = self._held.get(volume.text, {})
        for name in [node.text] if node else list(held):
            held.pop(name, None)
        if not held:
            self._held.pop(volume.text, None)


class ClusterAttachments:
    """Attachments as the cluster's VolumeAttachments say; external-attacher writes those."""

    def __init__(self, kube: KubeClient, driver: str) -> None:
        self._kube = kube
        self._driver = driver

    async def of_volume(self, volume: VolumeId) -> tuple[Attachment, ...]:
        """Return the claims to one volume. Raises Unreachable when they cannot be read."""
        return (await self.by_volume()).get(volume.text, ())

    async def by_volume(self) -> Mapping[str, tuple[Attachment, ...]]:
        """Return the claims to all volumes. Raises Unreachable when they cannot be read."""
        held: defaultdict[str, list[Attachment]] = defaultdict(list)
        for claim in await list_claims(self._kube, self._driver):
            held[claim.volume].append(_attachment(claim))
        return {volume: tuple(claims) for volume, claims in held.items()}

    async def record(self, volume: VolumeId, node: NodeId) -> None:
        """Do nothing: external-attacher records the answer in the VolumeAttachment."""

    async def forget(self, volume: VolumeId, node: NodeId | None) -> None:
        """Do nothing: external-attacher removes the VolumeAttachment."""


def _attachment(claim: Claim) -> Attachment:
    return Attachment(claim.node, claim.attached, (claim.created, claim.name))
