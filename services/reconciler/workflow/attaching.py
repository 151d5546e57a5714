"""Which node has which volume: what the cluster, the controller and the findings say, side by side.

A listing that takes several pages is read once: its later pages are cut from what the first one
read, as long as that is not too old.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from libs.kube.attachments import slot_of
from protos.gen.rdscsi.controller import v1 as admin
from services.reconciler.findings import ATTACHMENT_KINDS, Finding
from services.reconciler.inventory import PIECE
from services.reconciler.model import Node, VolumeAttachment
from services.reconciler.ports import Clock, Cluster, ClusterView
from services.reconciler.workflow.board import Board
from services.reconciler.workflow.explaining import unknown_of

_KEPT_SECONDS = 60.0
"""How long pages are cut from one reading; then the next page reads anew, and goes on there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which attachments: of one volume, to one node; empty for all."""

    volume_id: str = ""
    node: str = ""

    def admits(self, volume_id: str, node: str) -> bool:
        """Whether an attachment is wanted."""
        return self.volume_id in ("", volume_id) and self.node in ("", node)


@dataclass(frozen=True, slots=True)
class Told:
    """What the controller says of attachments, and what it could not say.

    Attributes:
        attachments: in its own messages.
        asked_at: when it was asked; None where it did not answer.
        unknown: what is not known, and why.
    """

    attachments: tuple[admin.Attachment, ...] = ()
    asked_at: float | None = None
    unknown: tuple[str, ...] = ()


class Asker(Protocol):
    """Asks the controller."""

    async def attachments(self, wanted: Wanted) -> Told:
        """Return what the controller knows of attachments. It raises nothing."""


@dataclass(slots=True)
class AttachedVolume:
    """A volume on a node, as each side knows it.

    Attributes:
        volume_id: the volume.
        node: the node's name.
        in_cluster: the VolumeAttachment; None where there is none.
        at_controller: what the controller says; None where that is nothing.
        where: the Node object; None where there is none, or it is not known.
        node_known: whether it is known which nodes there are.
        finding_ids: of what is wrong with it.
    """

    volume_id: str
    node: str
    in_cluster: VolumeAttachment | None = None
    at_controller: admin.Attachment | None = None
    where: Node | None = None
    node_known: bool = True
    finding_ids: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What listings are sorted by."""
        name = self.in_cluster.name if self.in_cluster else ""
        return f"{self.volume_id} {self.node} {name}"


@dataclass(frozen=True, slots=True)
class Attached:
    """A whole listing.

    Attributes:
        wanted: what it is of.
        rows: sorted by their keys.
        read_at: when it was read.
        asked_at: when the controller was asked; None where it did not answer.
        unknown: what is not known, and why.
    """

    wanted: Wanted
    rows: tuple[AttachedVolume, ...]
    read_at: float
    asked_at: float | None
    unknown: tuple[str, ...]


class Lister:
    """Lists attachments.

    Args:
        cluster: the cluster.
        asker: the controller.
        board: what is wrong.
        clock: the time.
    """

    def __init__(self, cluster: Cluster, asker: Asker, board: Board, clock: Clock) -> None:
        self._cluster = cluster
        self._asker = asker
        self._board = board
        self._clock = clock
        self._last: Attached | None = None

    async def read(self, wanted: Wanted, *, is_first: bool) -> Attached:
        """Return a listing: for a first page as it is now, for others as the first one was."""
        last, now = self._last, self._clock.now()
        if not is_first and last and last.wanted == wanted and now - last.read_at < _KEPT_SECONDS:
            return last
        told, view = await asyncio.gather(self._asker.attachments(wanted), self._cluster.view(0.0))
        joining = _Joining(wanted, told, view, [e.finding for e in self._board.entries.values()])
        for _ in joining.join():
            await asyncio.sleep(0)
        unknown = (*told.unknown, *unknown_of(view))
        self._last = Attached(wanted, tuple(joining.rows), now, told.asked_at, unknown)
        return self._last

    def forget(self) -> None:
        """Keep nothing: the last page has been cut."""
        self._last = None


class _Joining:
    """Puts rows together, a piece at a time."""

    def __init__(
        self, wanted: Wanted, told: Told, view: ClusterView, findings: list[Finding]
    ) -> None:
        self._wanted = wanted
        self._told = told
        self._view = view
        self._findings = findings
        self._handles: dict[str, str] = {}
        self._by_uid: dict[str, AttachedVolume] = {}
        self._by_name: dict[str, AttachedVolume] = {}
        self._by_pair: dict[tuple[str, str], list[AttachedVolume]] = {}
        self._by_volume: dict[str, list[AttachedVolume]] = {}
        self.rows: list[AttachedVolume] = []

    def join(self) -> Iterator[None]:
        """Fill `rows`; each step takes a few milliseconds."""
        view = self._view
        self._handles = {one.name: one.handle for one in view.volumes.items if one.handle}
        yield
        known = {one.attachment_uid: one for one in self._told.attachments}
        for count, attachment in enumerate(view.attachments.items, 1):
            self._add_attachment(attachment, known.get(attachment.uid))
            if not count % PIECE:
                yield
        for count, one in enumerate(self._told.attachments, 1):
            self._add_known(one)
            if not count % PIECE:
                yield
        for finding in self._findings:
            if finding.kind in ATTACHMENT_KINDS:
                self._add_finding(finding)
        yield
        self._find_nodes()
        yield
        wanted = self._wanted
        self.rows = [row for row in self.rows if wanted.admits(row.volume_id, row.node)]
        self.rows.sort(key=lambda row: row.key)

    def _add_attachment(self, item: VolumeAttachment, known: admin.Attachment | None) -> None:
        handle = self._handles.get(item.volume) or item.handle
        volume_id = handle or (known.volume_id if known else slot_of(item.volume))
        row = self._add(AttachedVolume(volume_id, item.node, in_cluster=item))
        self._by_uid[item.uid] = row
        self._by_name[item.name] = row

    def _add_known(self, known: admin.Attachment) -> None:
        row = self._by_uid.get(known.attachment_uid)
        if row is None and not known.attachment_uid:  # where attachments are not the cluster's
            there = self._by_pair.get((known.volume_id, known.node_id), [])
            row = next((one for one in there if one.at_controller is None), None)
        row = row or self._add(AttachedVolume(known.volume_id, known.node_id))
        row.at_controller = known

    def _add_finding(self, finding: Finding) -> None:
        about = finding.subject
        found = [self._by_name[about.volume_attachment]] if self._is_named(finding) else []
        if not found and about.node:
            found = self._by_pair.get((about.volume_id, about.node), [])
        elif not found:  # about all of them, or a host that is no node
            found = self._by_volume.get(about.volume_id, [])
        for row in found or [self._add(AttachedVolume(about.volume_id, about.node))]:
            row.finding_ids.append(finding.id)

    def _is_named(self, finding: Finding) -> bool:
        return finding.subject.volume_attachment in self._by_name

    def _add(self, row: AttachedVolume) -> AttachedVolume:
        self.rows.append(row)
        self._by_pair.setdefault((row.volume_id, row.node), []).append(row)
        self._by_volume.setdefault(row.volume_id, []).append(row)
        return row

    def _find_nodes(self) -> None:
        nodes = {node.name: node for node in self._view.nodes.items}
        for row in self.rows:
            row.where = nodes.get(row.node)
            row.node_known = row.where is not None or self._view.nodes.complete
