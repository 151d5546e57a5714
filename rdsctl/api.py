"""The reconciler's admin API, as the commands use it: errors are families, pages are joined."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from libs.core.errors import OutcomeUnknown
from libs.csikit.channel import open_admin_channel, peer_errors
from protos.gen.rdscsi.reconciler import v1 as api
from rdsctl.connection import Connection
from rdsctl.failures import MaybeDone, NotLeader

R = TypeVar("R")
T = TypeVar("T")


class Admin:
    """A reconciler that can be asked, and told. See `open_admin`."""

    def __init__(self, stub: api.ReconcilerAdminStub, timeout: float) -> None:
        self._stub = stub
        self._timeout = timeout

    async def read_status(self) -> api.GetStatusResponse:
        """Return how the replica that answers is."""
        return await _ask(self._stub.get_status, api.GetStatusRequest())

    async def list_findings(self, request: api.ListFindingsRequest) -> api.ListFindingsResponse:
        """Return the findings of all pages. One that moved between pages is there once."""
        found: dict[str, api.Finding] = {}
        request.page_token = ""
        while True:
            page = await _ask(self._stub.list_findings, request)
            found |= {finding.id: finding for finding in page.findings}
            if not page.next_page_token or page.next_page_token == request.page_token:
                break
            request.page_token = page.next_page_token
        findings = list(found.values())
        return api.ListFindingsResponse(findings=findings, total=len(findings), as_of=page.as_of)

    async def list_attachments(
        self, request: api.ListAttachmentsRequest
    ) -> api.ListAttachmentsResponse:
        """Return the attachments of all pages, and all that is not known of them."""
        rows: list[api.AttachmentRow] = []
        unknown: dict[str, None] = {}
        request.page_token = ""
        while True:
            page = await _ask(self._stub.list_attachments, request)
            rows += page.attachments
            unknown |= dict.fromkeys(page.unknown)
            if not page.next_page_token or page.next_page_token == request.page_token:
                break
            request.page_token = page.next_page_token
        return api.ListAttachmentsResponse(
            attachments=rows, total=len(rows), as_of=page.as_of, unknown=list(unknown)
        )

    async def explain_volume(self, volume: str) -> api.ExplainVolumeResponse:
        """Return all that is known of a volume."""
        return await _ask(self._stub.explain_volume, api.ExplainVolumeRequest(volume=volume))

    async def list_decisions(self) -> Sequence[api.Orphan]:
        """Return the orphans that somebody decided about."""
        return (await _ask(self._stub.list_decisions, api.ListDecisionsRequest())).orphans

    async def rehearse_pass(self) -> api.RunPassResponse:
        """Return what a pass would do now."""
        return await _ask(self._stub.run_pass, api.RunPassRequest(dry_run=True))

    async def run_pass(self) -> api.RunPassResponse:
        """Run a pass, and return what it did."""
        return await self._change(self._stub.run_pass, api.RunPassRequest())

    async def approve(self, request: api.ApproveOrphanRequest) -> api.Orphan:
        """Have an orphan removed; return it."""
        answer = await self._change(self._stub.approve_orphan, request)
        return answer.orphan or api.Orphan()

    async def ignore(self, request: api.IgnoreOrphanRequest) -> api.Orphan:
        """Have an orphan left alone; return it."""
        answer = await self._change(self._stub.ignore_orphan, request)
        return answer.orphan or api.Orphan()

    async def withdraw(self, orphan: api.OrphanRef) -> bool:
        """Take a decision back; return whether there was one."""
        request = api.WithdrawDecisionRequest(orphan=orphan)
        return (await self._change(self._stub.withdraw_decision, request)).withdrawn

    async def pause(self, request: api.PauseRequest) -> api.Paused:
        """Have nothing done any more; return what is in force."""
        return (await self._change(self._stub.pause, request)).paused or api.Paused()

    async def resume(self) -> bool:
        """Have it act again; return whether it was paused."""
        return (await self._change(self._stub.resume, api.ResumeRequest())).was_paused

    async def watch(
        self, request: api.WatchFindingsRequest
    ) -> AsyncGenerator[api.WatchFindingsResponse, None]:
        """Yield findings as they change. What comes first has a deadline; the rest comes or not."""
        stream = self._stub.watch_findings(request)
        limit: float | None = self._timeout
        # One generator, and so one HTTP/2 stream, which must not outlive its reader.
        async with contextlib.aclosing(stream):  # type: ignore[type-var] # a generator, in fact
            while True:
                with peer_errors():
                    async with asyncio.timeout(limit):
                        part = await anext(stream, None)
                if part is None:
                    return
                limit = None if part.synced else limit
                yield part

    async def _change(self, method: Callable[[R], Awaitable[T]], request: R) -> T:
        """Make a call that changes something, once it is known that the leader will get it."""
        await self.check_leader()
        try:
            return await _ask(method, request)
        except OutcomeUnknown as error:
            raise MaybeDone(error.message, detail=error.detail) from error.__cause__

    async def check_leader(self) -> None:
        """Check that the replica that answers can change something.

        Raises:
            NotLeader: it leaves that to another one.
        """
        status = await self.read_status()
        if not status.is_leader:
            raise NotLeader(status.replica, status.holder)


async def _ask(method: Callable[[R], Awaitable[T]], request: R) -> T:
    with peer_errors():
        return await method(request)


@contextlib.asynccontextmanager
async def open_admin(connection: Connection) -> AsyncIterator[Admin]:
    """Own a connection to a reconciler.

    Raises:
        InvalidRequest: the certificates cannot be used.
    """
    async with open_admin_channel(
        connection.address,
        connection.tls,
        server_name=connection.server_name,
        deadline=connection.timeout,
    ) as channel:
        yield Admin(api.ReconcilerAdminStub(channel), connection.timeout)
