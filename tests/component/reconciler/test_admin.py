"""What people ask of the reconciler, and tell it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpclib.const import Status

from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.controller.rig import error_of
from tests.component.reconciler.rig import Replica, World, volume
from tests.waiting import PATIENCE, eventually, until

CAREFUL: dict[str, Any] = {"orphan_grace": 0.0, "max_orphans_percent": 100}


async def test_the_status_says_who_leads_and_how_everything_is_known(world: World) -> None:
    await world.attached_volumes("a", 1)
    async with world.replica() as replica:
        await replica.run_pass()
        status = await replica.status()

    watched = {one.resource: (one.synced, one.objects) for one in status.watched}
    assert status.is_leader
    assert status.holder == status.replica
    assert status.lease_expires_at is not None
    assert status.lease_expires_at > datetime.now(UTC) - timedelta(seconds=1)
    assert watched["volumeattachments"] == (True, 1)
    assert watched["nodes"] == (True, 4)
    assert not watched["volumesnapshotcontents"][0]
    assert status.controller is not None
    assert status.controller.connected
    assert [one.device for one in status.devices] == ["rds"]
    assert status.last_pass is not None
    assert status.last_pass.result is api.PassResult.DONE
    assert status.orphans_dry_run


async def test_findings_come_in_pages_and_by_kind(world: World) -> None:
    world.controller.volumes += [volume(number) for number in range(7)]
    async with world.replica() as replica:
        await replica.run_pass()
        pages, token = [], ""
        while True:
            page = await replica.stub.list_findings(
                api.ListFindingsRequest(page_size=3, page_token=token)
            )
            pages.append(page)
            token = page.next_page_token
            if not token:
                break
        wanted = api.ListFindingsRequest(kinds=[api.FindingKind.NODE_GONE])
        others = await replica.stub.list_findings(wanted)
        one = api.ListFindingsRequest(volume_id=volume(3))
        (own,) = (await replica.stub.list_findings(one)).findings

    assert [len(page.findings) for page in pages] == [3, 3, 1]
    assert {page.total for page in pages} == {7}
    assert len({finding.id for page in pages for finding in page.findings}) == 7
    assert others.total == 0
    assert own.kind is api.FindingKind.ORPHAN_VOLUME


async def test_a_wrong_page_token_is_refused(world: World) -> None:
    async with world.replica() as replica:
        status, message = await error_of(
            replica.stub.list_findings(api.ListFindingsRequest(page_token="%"))
        )

    assert status is Status.ABORTED
    assert "page_token" in message


async def test_whoever_watches_is_told_what_is_added_and_what_is_resolved(world: World) -> None:
    await world.attached_volumes("a", 1)
    world.controller.failing = {volume(1)}
    async with world.replica() as replica:
        async with asyncio.timeout(PATIENCE):
            told = watched(replica)
            assert await anext(told) == "synced"
            await world.delete_node("a")
            first = await anext(told)
            world.controller.failing = set()
            seen = [change async for change in upto(told, "RESOLVED NODE_GONE")]

    assert first == "ADDED NODE_GONE"
    assert "UPDATED NODE_GONE" in seen


async def watched(replica: Replica) -> AsyncIterator[str]:
    async for part in replica.stub.watch_findings(api.WatchFindingsRequest()):
        for change in part.changes:
            assert change.finding is not None
            yield f"{change.change.name} {change.finding.kind.name}"
        if part.synced:
            yield "synced"


async def upto(told: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    async for change in told:
        yield change
        if change == last:
            return


async def test_a_volume_is_explained_from_its_claim_to_the_device(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.fenced[name] = {"a"}
    async with world.replica() as replica:
        ask = replica.stub.explain_volume
        answers = [
            await ask(api.ExplainVolumeRequest(volume=key))
            for key in (name, f"default/claim-of-{name}")
        ]
        nothing, _ = await error_of(ask(api.ExplainVolumeRequest(volume=volume(9))))
        wrong, _ = await error_of(ask(api.ExplainVolumeRequest(volume="no volume")))

    assert answers[0] == answers[1]
    found = answers[0]
    assert found.volume_id == name
    assert found.persistent_volume is not None
    assert [one.node for one in found.attachments] == ["a"]
    assert [(one.name, one.ready) for one in found.nodes] == [("a", True)]
    assert found.volume is not None
    assert [one.state for one in found.device_attachments] == [admin.AttachmentState.ATTACHED]
    assert any("lets in a" in sentence for sentence in found.sentences)
    assert (nothing, wrong) == (Status.NOT_FOUND, Status.INVALID_ARGUMENT)


async def test_a_volume_is_explained_as_far_as_it_is_known(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    async with world.replica() as replica:
        world.controller.away = True
        found = await replica.stub.explain_volume(api.ExplainVolumeRequest(volume=name))

    assert found.persistent_volume is not None
    assert found.volume is None
    assert len(found.unknown) == 2


async def test_an_orphan_that_is_approved_is_removed_in_spite_of_the_dry_run(
    world: World,
) -> None:
    world.controller.volumes += [volume(1), volume(2)]
    async with world.replica(**CAREFUL) as replica:
        await replica.run_pass()
        before = list(world.controller.volumes)
        answer = await replica.stub.approve_orphan(
            api.ApproveOrphanRequest(orphan=api.OrphanRef(id=volume(1)), reason="not needed")
        )
        await until(lambda: world.controller.volumes == [volume(2)])

    assert before == [volume(1), volume(2)]
    assert answer.orphan is not None
    assert answer.orphan.decision is not None
    assert answer.orphan.decision.kind is api.DecisionKind.APPROVED


async def test_an_orphan_that_is_ignored_stays_until_that_is_taken_back(world: World) -> None:
    (used,) = await world.attached_volumes("a", 2)
    ref = api.OrphanRef(id=volume(1))
    async with world.replica(**CAREFUL, orphans_dry_run=False) as replica:
        await replica.stub.pause(api.PauseRequest(reason="to decide first"))
        world.controller.volumes += [volume(1)]
        await replica.run_pass()
        await eventually(lambda: has_orphan(replica.findings()))
        await replica.stub.ignore_orphan(api.IgnoreOrphanRequest(orphan=ref, reason="mine"))
        await replica.stub.resume(api.ResumeRequest())
        await replica.run_pass()
        kept = list(world.controller.volumes)
        back = await replica.stub.withdraw_decision(api.WithdrawDecisionRequest(orphan=ref))
        again = await replica.stub.withdraw_decision(api.WithdrawDecisionRequest(orphan=ref))
        await until(lambda: world.controller.volumes == [used])

    assert kept == [used, volume(1)]
    assert (back.withdrawn, again.withdrawn) == (True, False)


@pytest.mark.parametrize(
    ("ref", "status"),
    [
        (api.OrphanRef(), Status.INVALID_ARGUMENT),
        (api.OrphanRef(id=volume(9)), Status.NOT_FOUND),
        (api.OrphanRef(id=volume(1), fingerprint="other"), Status.FAILED_PRECONDITION),
    ],
)
async def test_a_decision_is_for_an_orphan_as_it_is(
    world: World, ref: api.OrphanRef, status: Status
) -> None:
    world.controller.volumes += [volume(1)]
    async with world.replica(**CAREFUL) as replica:
        await replica.run_pass()
        found, _ = await error_of(
            replica.stub.approve_orphan(api.ApproveOrphanRequest(orphan=ref, reason="a test"))
        )

    assert found is status
    assert world.controller.volumes == [volume(1)]


async def test_a_pause_holds_everything_back_until_it_ends(world: World) -> None:
    await world.attached_volumes("a", 1)
    async with world.replica() as replica:
        await replica.stub.pause(api.PauseRequest(reason="maintenance"))
        await world.delete_node("a")
        await eventually(lambda: is_held(replica.findings()))
        calls = list(world.controller.calls)
        resumed = await replica.stub.resume(api.ResumeRequest())
        await until(lambda: not world.attached)
        again = await replica.stub.resume(api.ResumeRequest())

    assert calls == []
    assert (resumed.was_paused, again.was_paused) == (True, False)


async def test_a_pause_with_a_limit_ends_by_itself(world: World) -> None:
    await world.attached_volumes("a", 1)
    async with world.replica() as replica:
        limit = timedelta(seconds=0.5)
        await replica.stub.pause(api.PauseRequest(reason="a moment", limit=limit))
        await world.delete_node("a")
        await until(lambda: not world.attached)

    assert [call[0] for call in world.controller.calls] == ["detach"]


async def test_a_rehearsal_says_what_would_be_done_and_does_nothing(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    async with world.replica(**CAREFUL, orphans_dry_run=False) as replica:
        await replica.stub.pause(api.PauseRequest(reason="to look first"))
        world.controller.volumes.append(volume(2))
        await world.delete_node("a")
        await eventually(lambda: is_held(replica.findings()))
        rehearsed = await replica.run_pass(dry_run=True)

    assert rehearsed.pass_ is not None
    assert rehearsed.pass_.dry_run
    assert world.attached == {(name, "a")}
    assert world.controller.calls == []


async def is_held(asked: Awaitable[list[api.Finding]]) -> bool:
    return api.FindingState.HELD_BACK in {finding.state for finding in await asked}


async def has_orphan(asked: Awaitable[list[api.Finding]]) -> bool:
    return any(finding.orphan for finding in await asked)
