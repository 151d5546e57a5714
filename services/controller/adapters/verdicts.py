"""What this process has granted and taken back a moment ago."""

import time
from collections.abc import Iterable, Sequence

from libs.core.ids import NodeId, VolumeId
from libs.kube.attachments import Claim
from services.controller.ports import Attachment

_MOST = 100_000
"""Grants that are remembered; those of volumes that another replica took back stay otherwise."""

_TOLD_SECONDS = 30.0
"""For how long at least it is told what was taken back: the reconciler goes on from there."""


class Verdicts:
    """Says how claims count now.

    Both things that are remembered only shorten a wait: what was granted counts as attached before
    external-attacher has recorded it, and what was taken back no longer counts before it has
    removed the VolumeAttachment.

    Attributes:
        handovers: how often a claim did not count, to the good of who asked, that the cluster
            still had as attached.

    Args:
        handover: for how many seconds a claim that was taken back does not count.
    """

    def __init__(self, handover: float) -> None:
        self._handover = handover
        self._told = max(handover, _TOLD_SECONDS)
        self._granted: dict[str, tuple[str, str]] = {}
        self._released: dict[str, float] = {}
        self.handovers = 0

    def judged(self, claims: Iterable[Claim], asking: str = "") -> tuple[Attachment, ...]:
        """Return claims as they count now. Who asks claims, whatever was taken back before."""
        counted, passed_over = [], 0
        for claim in claims:
            if claim.node == asking or not self._was_released(claim, self._handover):
                counted.append(self.judge(claim))
            elif claim.attached:
                passed_over += 1
        if asking:
            self.handovers += passed_over
        return tuple(counted)

    def judge(self, claim: Claim) -> Attachment:
        """Return a claim as it counts, if it does."""
        return Attachment(
            node=claim.node,
            attached=claim.attached or claim.identity in self._granted,
            order=(claim.created, claim.name),
            since=claim.since,
            read_only=claim.read_only,
            id=claim.identity,
        )

    def is_released(self, claim: Claim) -> bool:
        """Whether a claim was taken back a moment ago, also where it counts again by now."""
        return self._was_released(claim, self._told)

    def _was_released(self, claim: Claim, within: float) -> bool:
        released = self._released.get(claim.identity)
        return released is not None and time.monotonic() - released < within

    def grant(self, volume: VolumeId, node: NodeId, claims: Sequence[str]) -> None:
        """Remember a grant, for the claims that it answers."""
        for claim in claims:
            self._granted[claim] = (volume.text, node.text)
            self._released.pop(claim, None)
        while len(self._granted) > _MOST:
            del self._granted[next(iter(self._granted))]

    def release(self, volume: VolumeId, node: NodeId | None, claims: Iterable[Claim]) -> None:
        """Forget grants, and remember for a while that claims have been taken back."""
        now = time.monotonic()
        self._released = {k: at for k, at in self._released.items() if now - at < self._told}
        self._released |= {claim.identity: now for claim in claims}
        self._granted = {
            claim: (held, by)
            for claim, (held, by) in self._granted.items()
            if held != volume.text or (node is not None and by != node.text)
        }
