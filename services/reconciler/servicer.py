"""The reconciler's admin service: parse, hand over, render. About five lines an RPC."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

import structlog

from libs.core.errors import InUse, InvalidRequest, RdsCsiError
from libs.core.security import SecurityEvent, record
from libs.core.version import __version__
from libs.csikit.calls import caller, note
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler import servicer_answers as answers
from services.reconciler import servicer_requests as requests
from services.reconciler.findings import Orphan
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision, Pause
from services.reconciler.ports import Clock, Cluster
from services.reconciler.workflow.act import Actor
from services.reconciler.workflow.attaching import Lister, Wanted
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.board import Board, Change, Entry
from services.reconciler.workflow.explaining import Explainer, explain
from services.reconciler.workflow.leading import Election, Leading
from services.reconciler.workflow.passes import Passes
from services.reconciler.workflow.recall import Recall
from services.reconciler.workflow.records import Trigger
from services.reconciler.workflow.state import ControllerState, LeaseState, WatchState
from services.reconciler.workflow.triggers import Triggers

log = structlog.get_logger(__name__)

_MEMORY_SECONDS = 2.0
"""How long the status waits for the cluster: it is wanted most when that does not answer."""

_PART = 100
"""Findings in one message of a watch."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the admin service is made of.

    Attributes:
        identity: of this replica.
        election: who leads.
        read_lease: reads the Lease.
        leading: runs passes.
        passes: knows the last ones.
        triggers: what no pass has been run for yet.
        board: what is wrong.
        recall: what is remembered.
        actor: what is being done.
        backoff: what failed lately.
        cluster: the cluster.
        explainer: the controller, about one volume.
        lister: lists attachments.
        controller: how the controller is reached.
        watches: how the cluster is known.
        clock: the time.
        orphans_dry_run: whether orphans are only reported.
    """

    identity: str
    election: Election
    read_lease: Callable[[], Awaitable[LeaseState]]
    leading: Leading
    passes: Passes
    triggers: Triggers
    board: Board
    recall: Recall
    actor: Actor
    backoff: Backoff
    cluster: Cluster
    explainer: Explainer
    lister: Lister
    controller: ControllerState
    watches: Callable[[], tuple[WatchState, ...]]
    clock: Clock
    orphans_dry_run: bool


class ReconcilerServicer(api.ReconcilerAdminBase):
    """What people ask of the reconciler."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def _check_leader(self) -> None:
        if self._parts.election.is_leading:
            return
        lease = await self._parts.read_lease()
        who = f"the leader is {lease.holder}" if lease.holder else "there is no leader now"
        raise InUse(f"{self._parts.identity} does not lead: {who}")

    async def _memory(self) -> Memory:
        known = self._parts.recall.known
        return known if known is not None else await self._parts.recall.look()

    # Status

    async def get_status(
        self,
        message: api.GetStatusRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> api.GetStatusResponse:
        """Tell how things stand."""
        parts, lease = self._parts, await self._parts.read_lease()
        try:
            async with asyncio.timeout(_MEMORY_SECONDS):
                paused = (await self._memory()).paused
        except (RdsCsiError, TimeoutError) as error:
            log.warning("pause not known", reason=str(error))
            paused = None
        if paused is not None and not paused.holds(parts.clock.now()):
            paused = None
        controller = parts.controller
        return api.GetStatusResponse(
            is_leader=parts.election.is_leading,
            holder=lease.holder,
            replica=parts.identity,
            lease_renewed_at=answers.moment(lease.renewed_at),
            lease_expires_at=answers.moment(lease.expires_at),
            paused=answers.render_paused(paused),
            last_pass=answers.render_pass(parts.passes.last),
            current_pass=answers.render_pass(parts.passes.current),
            next_pass_at=answers.moment(parts.leading.next_full),
            queues=list(
                answers.render_queues(parts.triggers.waiting, parts.actor.keys, parts.backoff)
            ),
            watched=[answers.render_watch(state) for state in parts.watches()],
            controller=api.ControllerLink(
                address=controller.address, connected=controller.connected, error=controller.error
            ),
            devices=list(controller.devices),
            findings=answers.render_counts(parts.board.entries.values()),
            orphans_dry_run=parts.orphans_dry_run,
            version=__version__,
        )

    # Findings

    async def list_findings(self, message: api.ListFindingsRequest) -> api.ListFindingsResponse:
        """List what is wrong."""
        wanted = requests.parse_list(message)
        found = [entry for entry in self._parts.board.all() if wanted.admits(entry)]
        page, token = requests.cut_page(
            found, message.page_size, message.page_token, lambda entry: entry.finding.id
        )
        return api.ListFindingsResponse(
            findings=[answers.render_entry(entry) for entry in page],
            next_page_token=token,
            total=len(found),
            as_of=answers.moment(self._parts.board.as_of),
        )

    async def watch_findings(
        self, message: api.WatchFindingsRequest
    ) -> AsyncIterator[api.WatchFindingsResponse]:
        """Tell what is wrong, and what changes about it."""
        wanted, is_first = requests.parse_watch(message), True
        async for changes in self._parts.board.watch():
            fitting = [pair for pair in changes if wanted.admits(pair[1])]
            if is_first and message.only_changes:
                fitting = []
            for part in _parts(fitting):
                yield api.WatchFindingsResponse(changes=part)
            if is_first:
                yield api.WatchFindingsResponse(synced=True)
            is_first = False

    async def explain_volume(self, message: api.ExplainVolumeRequest) -> api.ExplainVolumeResponse:
        """Tell all that is known of a volume."""
        parts = self._parts
        found = await explain(message.volume, parts.cluster, parts.explainer, parts.board)
        return answers.render_explained(found)

    async def list_attachments(
        self, message: api.ListAttachmentsRequest
    ) -> api.ListAttachmentsResponse:
        """List which node has which volume."""
        wanted, lister = Wanted(message.volume_id, message.node), self._parts.lister
        found = await lister.read(wanted, is_first=not message.page_token)
        page, token = requests.cut_page(
            found.rows, message.page_size, message.page_token, lambda row: row.key, requests.ROWS
        )
        if not token:
            lister.forget()
        return answers.render_attached(found, page, token)

    # Passes

    async def run_pass(self, message: api.RunPassRequest) -> api.RunPassResponse:
        """Run a pass, or rehearse one."""
        if message.dry_run:
            return answers.render_run(await self._parts.leading.rehearse())
        await self._check_leader()
        record = await self._parts.leading.ask()
        note(done=record.message)
        return answers.render_run(record)

    # Orphans

    async def approve_orphan(self, message: api.ApproveOrphanRequest) -> api.ApproveOrphanResponse:
        """Have an orphan removed."""
        orphan = await self._decide(message.orphan, DecisionKind.APPROVED, message.reason, None)
        return api.ApproveOrphanResponse(orphan=answers.render_orphan(orphan))

    async def ignore_orphan(self, message: api.IgnoreOrphanRequest) -> api.IgnoreOrphanResponse:
        """Have an orphan left alone."""
        until = requests.parse_until(message.until, self._parts.clock.now())
        orphan = await self._decide(message.orphan, DecisionKind.IGNORED, message.reason, until)
        return api.IgnoreOrphanResponse(orphan=answers.render_orphan(orphan))

    async def _decide(
        self, ref: api.OrphanRef | None, kind: DecisionKind, reason: str, until: float | None
    ) -> Orphan:
        await self._check_leader()
        entries = self._parts.board.entries.values()
        known = [entry.finding.orphan for entry in entries if entry.finding.orphan is not None]
        orphan = requests.find_orphan(ref, known)
        now = self._parts.clock.now()
        decision = OrphanDecision(kind, orphan.fingerprint, _who(), reason, now, until)
        await self._parts.recall.change(lambda memory: memory.decided(orphan.key, decision))
        self._parts.leading.nudge()
        note(decision=kind.value, orphan=orphan.id, security=SecurityEvent.REPAIR_CONTROL.value)
        return replace(orphan, decision=decision)

    async def list_decisions(
        self,
        message: api.ListDecisionsRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> api.ListDecisionsResponse:
        """List what people have decided."""
        return api.ListDecisionsResponse(
            orphans=[answers.render_orphan(orphan) for orphan in await self._decided()]
        )

    async def _decided(self) -> list[Orphan]:
        memory = await self._memory()
        entries = self._parts.board.entries.values()
        known = {e.finding.orphan.key: e.finding.orphan for e in entries if e.finding.orphan}
        return [
            replace(known.get(key) or requests.parse_orphan_key(key), decision=decision)
            for key, decision in sorted(memory.decisions.items())
        ]

    async def withdraw_decision(
        self, message: api.WithdrawDecisionRequest
    ) -> api.WithdrawDecisionResponse:
        """Take a decision back."""
        await self._check_leader()
        if message.orphan is None or not message.orphan.id:
            raise InvalidRequest("orphan.id must not be empty")
        decided = await self._decided()
        if not any(orphan.id == message.orphan.id for orphan in decided):
            return api.WithdrawDecisionResponse(withdrawn=False)
        orphan = requests.find_orphan(message.orphan, decided)
        await self._parts.recall.change(lambda memory: memory.withdrawn(orphan.key))
        self._parts.leading.nudge()
        return api.WithdrawDecisionResponse(withdrawn=True)

    # Pausing

    async def pause(self, message: api.PauseRequest) -> api.PauseResponse:
        """Take no action any more."""
        if not message.reason:
            raise InvalidRequest("reason must not be empty")
        now = self._parts.clock.now()
        paused = Pause(message.reason, _who(), now, requests.parse_limit(message.limit, now))
        await self._check_leader()
        await self._parts.recall.change(lambda memory: replace(memory, paused=paused))
        self._parts.triggers.put(Trigger.REQUEST)
        facts = {"by": paused.by, "reason": paused.reason, "until": paused.until}
        record(log, SecurityEvent.REPAIR_CONTROL, "paused", **facts)
        return api.PauseResponse(paused=answers.render_paused(paused))

    async def resume(
        self,
        message: api.ResumeRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> api.ResumeResponse:
        """Act again."""
        await self._check_leader()
        before = (await self._parts.recall.read()).paused
        was_paused = before is not None and before.holds(self._parts.clock.now())
        await self._parts.recall.change(lambda memory: replace(memory, paused=None))
        self._parts.triggers.put(Trigger.REQUEST)
        self._parts.leading.nudge()
        facts = {"by": _who(), "was_paused": was_paused}
        record(log, SecurityEvent.REPAIR_CONTROL, "resumed", **facts)
        return api.ResumeResponse(was_paused=was_paused)


def _who() -> str:
    return caller() or "somebody without a certificate"


def _parts(changes: list[tuple[Change, Entry]]) -> Iterator[list[api.FindingChange]]:
    for start in range(0, len(changes), _PART):
        yield [answers.render_change(*pair) for pair in changes[start : start + _PART]]
