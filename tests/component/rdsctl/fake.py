"""A reconciler with a small memory."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from libs.core.errors import InUse, InvalidRequest, NotFound, RdsCsiError
from protos.gen.rdscsi.controller import v1 as controller
from protos.gen.rdscsi.controller.v1 import ItemKind
from protos.gen.rdscsi.reconciler import v1 as api

VOLUME = "pvc-11111111-2222-3333-4444-555555555555"
LOST = "pvc-99999999-2222-3333-4444-555555555555"
EARLIER = datetime.now(UTC) - timedelta(hours=3)


def stuck(node: str = "node-3", volume: str = VOLUME) -> api.Finding:
    return api.Finding(
        id=f"node-gone/{volume}/{node}",
        kind=api.FindingKind.NODE_GONE,
        state=api.FindingState.FOR_PEOPLE,
        subject=api.Subject(volume_id=volume, node=node, volume_attachment=f"csi-{node}"),
        reason=f"{node} does not exist any more.",
        next="Nobody can say what it wrote last; look at it.",
        first_seen_at=EARLIER,
        last_seen_at=EARLIER,
    )


def orphan(name: str = LOST, device: str = "rds") -> api.Finding:
    return api.Finding(
        id=f"orphan-volume/{device}/{name}",
        kind=api.FindingKind.ORPHAN_VOLUME,
        state=api.FindingState.HELD_BACK,
        subject=api.Subject(volume_id=name, device=device),
        reason="No PersistentVolume refers to it.",
        first_seen_at=EARLIER,
        orphan=api.Orphan(
            kind=ItemKind.VOLUME, device=device, id=name, size_bytes=10 << 30, fingerprint="f1"
        ),
    )


def healthy() -> api.GetStatusResponse:
    return api.GetStatusResponse(
        is_leader=True,
        holder="reconciler-0",
        replica="reconciler-0",
        lease_renewed_at=datetime.now(UTC),
        lease_expires_at=datetime.now(UTC) + timedelta(hours=1),
        last_pass=api.Pass(
            number=7,
            trigger=api.Trigger.TIMER,
            result=api.PassResult.DONE,
            ended_at=EARLIER,
        ),
        controller=api.ControllerLink(address="tcp://controller:9443", connected=True),
        devices=[controller.Connection(device="rds", state=controller.ConnectionState.UP)],
        version="0.1.0",
    )


def explained() -> api.ExplainVolumeResponse:
    return api.ExplainVolumeResponse(
        volume_id=VOLUME,
        device="rds",
        sentences=["It is attached to node-3, which does not exist any more."],
        persistent_volume=api.PersistentVolume(name=VOLUME, phase="Bound", claim="shop/data"),
        attachments=[api.VolumeAttachment(name="csi-node-3", uid="u1", node="node-3")],
        nodes=[api.Node(name="node-3")],
        volume=controller.Volume(
            volume_id=VOLUME, slot=VOLUME, half_state=controller.HalfState.WHOLE
        ),
        device_attachments=[
            controller.Attachment(
                volume_id=VOLUME,
                node_id="node-3",
                attachment_uid="u1",
                state=controller.AttachmentState.ATTACHED,
                admission=controller.Admission.ADMITTED,
            )
        ],
        findings=[stuck()],
    )


def attached(
    volume: str = VOLUME, node: str = "node-3", name: str = "csi-node-3"
) -> api.AttachmentRow:
    return api.AttachmentRow(
        volume_id=volume,
        node=node,
        volume_attachment=api.VolumeAttachment(name=name, uid=name, node=node, attached=True),
        at_controller=controller.Attachment(
            volume_id=volume,
            node_id=node,
            attachment_uid=name,
            state=controller.AttachmentState.ATTACHED,
            admission=controller.Admission.ADMITTED,
        ),
        node_state=api.Node(name=node, exists=node != "node-3", ready=node != "node-3"),
        finding_ids=[stuck(node, volume).id],
    )


class FakeReconciler(api.ReconcilerAdminBase):
    """Answers from what it has; a test changes that, or has the next call of a kind fail."""

    def __init__(self) -> None:
        self.status = healthy()
        self.findings = {finding.id: finding for finding in (stuck(), orphan())}
        self.volumes = {VOLUME: explained()}
        self.attachments = [attached(), attached(LOST, "node-1", "csi-node-1")]
        self.unknown: list[str] = []
        self.as_of: datetime | None = EARLIER
        self.decisions: list[api.Orphan] = []
        self.requests: list[object] = []
        self.errors: dict[type[object], RdsCsiError | Exception] = {}
        self.silent: set[type[object]] = set()
        self.page_size = 500
        self.result: api.RunPassResponse | None = None
        self.watchers: list[asyncio.Queue[api.WatchFindingsResponse]] = []
        self.watched = asyncio.Event()

    async def _take(self, request: object) -> None:
        self.requests.append(request)
        if type(request) in self.silent:
            await asyncio.Event().wait()
        if type(request) in self.errors:
            raise self.errors[type(request)]

    def asked(self, kind: type[object]) -> list[object]:
        return [request for request in self.requests if type(request) is kind]

    def _check_leads(self) -> None:
        if not self.status.is_leader:
            raise InUse(f"{self.status.holder} leads")

    async def get_status(self, message: api.GetStatusRequest) -> api.GetStatusResponse:
        await self._take(message)
        return self.status

    async def list_findings(self, message: api.ListFindingsRequest) -> api.ListFindingsResponse:
        await self._take(message)
        found = [
            finding
            for finding in self.findings.values()
            if (not message.kinds or finding.kind in message.kinds)
            and (not message.states or finding.state in message.states)
            and message.node in ("", (finding.subject or api.Subject()).node)
            and message.volume_id in ("", (finding.subject or api.Subject()).volume_id)
        ]
        start = int(message.page_token or 0)
        end = start + self.page_size
        return api.ListFindingsResponse(
            findings=found[start:end],
            next_page_token=str(end) if end < len(found) else "",
            total=len(found),
            as_of=self.as_of,
        )

    async def list_attachments(
        self, message: api.ListAttachmentsRequest
    ) -> api.ListAttachmentsResponse:
        await self._take(message)
        found = [row for row in self.attachments if message.node in ("", row.node)]
        start = int(message.page_token or 0)
        end = start + self.page_size
        return api.ListAttachmentsResponse(
            attachments=found[start:end],
            next_page_token=str(end) if end < len(found) else "",
            total=len(found),
            unknown=self.unknown,
        )

    async def explain_volume(self, message: api.ExplainVolumeRequest) -> api.ExplainVolumeResponse:
        await self._take(message)
        if message.volume not in self.volumes:
            raise NotFound(f"nothing is known of a volume {message.volume}")
        return self.volumes[message.volume]

    async def run_pass(self, message: api.RunPassRequest) -> api.RunPassResponse:
        await self._take(message)
        if self.result is not None:
            return self.result
        state = api.ActionState.PLANNED if message.dry_run else api.ActionState.DONE
        done = api.Pass(
            number=8,
            trigger=api.Trigger.REQUEST,
            dry_run=message.dry_run,
            result=api.PassResult.DONE,
            findings=len(self.findings),
            actions_planned=1,
            actions_done=0 if message.dry_run else 1,
        )
        action = api.Action(
            kind=api.ActionKind.DETACH,
            state=state,
            subject=api.Subject(volume_id=VOLUME, node="node-3"),
            text="Take the volume from node-3.",
        )
        return api.RunPassResponse(pass_=done, actions=[action], actions_total=1)

    def _find(self, ref: api.OrphanRef | None) -> api.Orphan:
        self._check_leads()
        ref = ref or api.OrphanRef()
        there = [finding.orphan for finding in self.findings.values() if finding.orphan]
        found = [o for o in there if o.id == ref.id and ref.device in ("", o.device)]
        if not found:
            raise NotFound(f"there is no orphan {ref.id}")
        if len(found) > 1:
            raise InvalidRequest("several orphans are called so")
        if ref.fingerprint not in ("", found[0].fingerprint):
            raise InUse("it is not as it was listed any more")
        return found[0]

    def _decide(
        self, kind: api.DecisionKind, ref: api.OrphanRef | None, reason: str, until: datetime | None
    ) -> api.Orphan:
        found = self._find(ref)
        found.decision = api.Decision(
            kind=kind, by="sre", reason=reason, at=datetime.now(UTC), until=until
        )
        self.decisions.append(found)
        return found

    async def approve_orphan(self, message: api.ApproveOrphanRequest) -> api.ApproveOrphanResponse:
        await self._take(message)
        kind = api.DecisionKind.APPROVED
        return api.ApproveOrphanResponse(
            orphan=self._decide(kind, message.orphan, message.reason, None)
        )

    async def ignore_orphan(self, message: api.IgnoreOrphanRequest) -> api.IgnoreOrphanResponse:
        await self._take(message)
        kind = api.DecisionKind.IGNORED
        return api.IgnoreOrphanResponse(
            orphan=self._decide(kind, message.orphan, message.reason, message.until)
        )

    async def list_decisions(self, message: api.ListDecisionsRequest) -> api.ListDecisionsResponse:
        await self._take(message)
        return api.ListDecisionsResponse(orphans=self.decisions)

    async def withdraw_decision(
        self, message: api.WithdrawDecisionRequest
    ) -> api.WithdrawDecisionResponse:
        await self._take(message)
        ref = message.orphan or api.OrphanRef()
        decided = [orphan for orphan in self.decisions if orphan.id == ref.id]
        for orphan_ in decided:
            orphan_.decision = None
            self.decisions.remove(orphan_)
        return api.WithdrawDecisionResponse(withdrawn=bool(decided))

    async def pause(self, message: api.PauseRequest) -> api.PauseResponse:
        await self._take(message)
        self._check_leads()
        now = datetime.now(UTC)
        until = now + message.limit if message.limit else None
        self.status.paused = api.Paused(reason=message.reason, by="sre", since=now, until=until)
        return api.PauseResponse(paused=self.status.paused)

    async def resume(self, message: api.ResumeRequest) -> api.ResumeResponse:
        await self._take(message)
        was_paused = self.status.paused is not None
        self.status.paused = None
        return api.ResumeResponse(was_paused=was_paused)

    async def watch_findings(
        self, message: api.WatchFindingsRequest
    ) -> AsyncIterator[api.WatchFindingsResponse]:
        await self._take(message)
        present = [
            api.FindingChange(change=api.Change.PRESENT, finding=finding, at=EARLIER)
            for finding in self.findings.values()
        ]
        queue: asyncio.Queue[api.WatchFindingsResponse] = asyncio.Queue()
        self.watchers.append(queue)
        try:
            yield api.WatchFindingsResponse(changes=present, synced=True)
            self.watched.set()
            while True:
                yield await queue.get()
        finally:
            self.watchers.remove(queue)

    def tell(self, change: api.Change, finding: api.Finding) -> None:
        """Tell those who watch of a change."""
        part = api.WatchFindingsResponse(
            changes=[api.FindingChange(change=change, finding=finding, at=datetime.now(UTC))]
        )
        for queue in self.watchers:
            queue.put_nowait(part)
