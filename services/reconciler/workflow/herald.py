"""What people hear of beside single actions: orphans, attachments that are gone, devices away.

Each is told once, by the replica that leads: orphans are remembered over leaders (`Memory.told`),
and the rest is told when it changes.
"""

from collections import Counter
from collections.abc import Sequence

from libs.core.size import format_bytes
from services.reconciler.findings import (
    ATTACHMENT_KINDS,
    Action,
    ActionKind,
    Finding,
    FindingKind,
    Notice,
)
from services.reconciler.model import Listing, VolumeAttachment
from services.reconciler.ports import Cluster, DeviceLink
from services.reconciler.workflow.records import Observer

_MOST_ONE_BY_ONE = 10
"""Orphans that are found at once and told each by itself; of more, only the number is told."""

_CLEARING = frozenset(
    {ActionKind.DETACH, ActionKind.DELETE_ATTACHMENT, ActionKind.REMOVE_FINALIZER}
)
_STALE = ATTACHMENT_KINDS - {FindingKind.FENCING_MISMATCH, FindingKind.MIGRATION_OVERDUE}


class Herald:
    """Counts and tells. One for each process.

    Args:
        cluster: where it is told.
        observer: where it is counted.
    """

    def __init__(self, cluster: Cluster, observer: Observer) -> None:
        self._cluster = cluster
        self._observer = observer
        self._going: dict[str, Action] = {}
        """The first action on each attachment that is being cleared away, by its UID."""
        self._links: dict[str, DeviceLink] = {}
        self._lost: dict[str, str] = {}
        """Why there is no connection, by the device."""

    # Orphans

    async def found(self, orphans: Sequence[Finding]) -> None:
        """Tell of orphans that nobody has heard of yet."""
        for finding in orphans:
            if finding.orphan is not None:
                self._observer.found(finding.orphan.kind)
        if len(orphans) > _MOST_ONE_BY_ONE:
            await self._cluster.announce(_many(orphans))
            return
        for finding in orphans:
            await self._cluster.announce(_one(finding))

    # Attachments

    def acted(self, action: Action, finding: Finding) -> None:
        """Take note of an action that was done."""
        if action.kind in _CLEARING and action.uid and finding.kind in _STALE:
            self._going.setdefault(action.uid, action)

    async def looked(self, attachments: Listing[VolumeAttachment]) -> None:
        """Tell of attachments that were seen to and are not there any more."""
        if not self._going or not attachments.complete:
            return
        there = {attachment.uid for attachment in attachments.items}
        for uid in [uid for uid in self._going if uid not in there]:
            action = self._going.pop(uid)
            self._observer.cleared()
            await self._cluster.announce(_cleared(action))

    # Devices

    async def links(self, links: Sequence[DeviceLink], *, leads: bool) -> None:
        """Take note of the connections to devices; the leader tells what has changed."""
        known, self._links = self._links, {link.device: link for link in links}
        for link in links:
            notice = self._heard(link, known.get(link.device))
            if notice is not None and leads:
                await self._cluster.announce(notice)

    def _heard(self, link: DeviceLink, old: DeviceLink | None) -> Notice | None:
        if not link.is_up:
            was_up = old is not None and old.is_up
            # A controller that has just begun has no connection yet, and no reason for that.
            if link.device in self._lost or not (was_up or link.reason):
                return None
            self._lost[link.device] = link.reason
            return _lost(link.device, link.reason)
        if self._lost.pop(link.device, None) is not None:
            return _restored(link.device, "")
        if old is not None and old.is_up and link.reconnects > old.reconnects:
            return _restored(link.device, ", which was lost for a moment")
        return None

    # Terms

    async def begin(self) -> None:
        """Tell what is still so as this replica begins to lead: the one before may not have."""
        for device, reason in list(self._lost.items()):
            await self._cluster.announce(_lost(device, reason))

    def end(self) -> None:
        """Forget what was begun: another replica goes on with it."""
        self._going.clear()


def _one(finding: Finding) -> Notice:
    orphan = finding.orphan
    where = f" It takes {format_bytes(orphan.size_bytes)} of {orphan.device}." if orphan else ""
    return Notice("OrphanFound", f"{finding.reason}{where} {finding.next}", is_warning=True)


def _many(findings: Sequence[Finding]) -> Notice:
    kinds = Counter(f.orphan.kind.value for f in findings if f.orphan)
    size = sum(f.orphan.size_bytes for f in findings if f.orphan)
    parts = ", ".join(f"{count} of kind {kind}" for kind, count in sorted(kinds.items()))
    text = (
        f"{len(findings)} orphans were found at once ({parts}), which take {format_bytes(size)}; "
        "rdsctl orphans lists them."
    )
    return Notice("OrphansFound", text, is_warning=True)


def _cleared(action: Action) -> Notice:
    about = action.subject
    text = (
        f"The stale attachment of volume {about.volume_id} to node {about.node} is cleared away, "
        f"so it can be attached elsewhere. What was found: {action.reason}"
    )
    return Notice("StaleAttachmentCleared", text, volume=about.persistent_volume)


def _lost(device: str, reason: str) -> Notice:
    why = f": {reason}" if reason else ""
    text = f"The controller has lost its connection to device {device}{why}"
    return Notice("DeviceConnectionLost", text, is_warning=True)


def _restored(device: str, what: str) -> Notice:
    text = f"The controller has its connection to device {device} again{what}"
    return Notice("DeviceConnectionRestored", text)
