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
    """Attachments as the cluster's VolumeAttachments say; external-attacher writes those.

    What this process has granted counts as attached at once: external-attacher records it a moment
    later, and a claim that turns up in between must not be granted too.
    """

    def __init__(self, kube: KubeClient, driver: str) -> None:
        self._kube = kube
        self._driver = driver
        self._granted: defaultdict[str, set[str]] = defaultdict(set)

    async def of_volume(self, volume: VolumeId) -> tuple[Attachment, ...]:
        """Return the claims to one volume. Raises Unreachable when they cannot be read."""
        return (await self.by_volume()).get(volume.text, ())

    async def by_volume(self) -> Mapping[str, tuple[Attachment, ...]]:
        """Return the claims to all volumes. Raises Unreachable when they cannot be read."""
        granted_before = {volume: set(nodes) for volume, nodes in self._granted.items()}
        held: defaultdict[str, list[Attachment]] = defaultdict(list)
        for claim in await list_claims(self._kube, self._driver):
            held[claim.volume].append(self._attachment(claim))
        self._forget_ended(granted_before, held)
        return {volume: tuple(claims) for volume, claims in held.items()}

    def _attachment(self, claim: Claim) -> Attachment:
        granted = claim.node in self._granted.get(claim.volume, ())
        return Attachment(claim.node, claim.attached or granted, (claim.created, claim.name))

    def _forget_ended(
        self, before: Mapping[str, set[str]], held: Mapping[str, list[Attachment]]
    ) -> None:
        """Forget grants from before the listing whose VolumeAttachment is gone."""
        for volume, nodes in before.items():
            claimed = {claim.node for claim in held.get(volume, ())}
            self._granted[volume] -= nodes - claimed
            if not self._granted[volume]:
                del self._granted[volume]

    async def record(self, volume: VolumeId, node: NodeId) -> None:
        """Remember a grant until its VolumeAttachment is gone."""
        self._granted[volume.text].add(node.text)

    async def forget(self, volume: VolumeId, node: NodeId | None) -> None:
        """Forget a grant; external-attacher removes the VolumeAttachment."""
        nodes = self._granted.pop(volume.text, set())
        left = nodes - {node.text} if node else set()
        if left:
            self._granted[volume.text] = left
