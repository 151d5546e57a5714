"""Several replicas: one acts, another one takes over, and what was decided outlives them."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import Any

from grpclib.const import Status

from libs.csikit.channel import open_admin_channel
from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.controller.rig import error_of
from tests.component.reconciler.processes import running_process
from tests.component.reconciler.rig import World, volume
from tests.waiting import PATIENCE, eventually, until

SHORT: dict[str, Any] = {"lease_seconds": 8, "lease_deadline": 7}
"""Where another one has to take over; longer than a machine stands still."""


async def test_one_leads_and_the_other_one_takes_over_when_it_ends(world: World) -> None:
    await world.attached_volumes("a", 1)
    async with world.replica(leads=False) as second_first:
        await eventually(second_first.leads)
        async with world.replica(leads=False) as other:
            status = await other.status()
    async with world.replica() as next_one:
        await world.delete_node("a")
        await until(lambda: not world.attached)
        last = await next_one.status()

    assert not status.is_leader
    assert status.holder.startswith("reconciler-1-")
    assert last.holder.startswith("reconciler-3-")


async def test_who_does_not_lead_changes_nothing_and_names_the_leader(world: World) -> None:
    world.controller.volumes.append(volume(1))
    ref = api.OrphanRef(id=volume(1))
    async with world.replica(), world.replica(leads=False) as other:
        await eventually(lambda: is_known(other.findings()))
        refusals = [
            await error_of(other.stub.pause(api.PauseRequest(reason="a test"))),
            await error_of(other.stub.resume(api.ResumeRequest())),
            await error_of(other.run_pass()),
            await error_of(other.stub.approve_orphan(api.ApproveOrphanRequest(orphan=ref))),
            await error_of(other.stub.ignore_orphan(api.IgnoreOrphanRequest(orphan=ref))),
            await error_of(other.stub.withdraw_decision(api.WithdrawDecisionRequest(orphan=ref))),
        ]
        rehearsed = await other.run_pass(dry_run=True)

    assert {status for status, _ in refusals} == {Status.FAILED_PRECONDITION}
    assert all("the leader is reconciler-1-" in message for _, message in refusals)
    assert rehearsed.pass_ is not None
    assert rehearsed.pass_.dry_run


async def test_first_sights_decisions_and_the_pause_outlive_the_leader(world: World) -> None:
    world.controller.volumes.append(volume(1))
    async with world.replica() as first:
        await first.run_pass()
        (before,) = await first.findings()
        await first.stub.ignore_orphan(
            api.IgnoreOrphanRequest(orphan=api.OrphanRef(id=volume(1)), reason="mine")
        )
        await first.stub.pause(api.PauseRequest(reason="looking"))
    async with world.replica() as second:
        await second.run_pass()
        (after,) = await second.findings()
        decided = (await second.stub.list_decisions(api.ListDecisionsRequest())).orphans
        status = await second.status()

    assert (after.id, after.first_seen_at) == (before.id, before.first_seen_at)
    assert after.state is api.FindingState.IGNORED
    assert [(one.id, one.decision and one.decision.reason) for one in decided] == [
        (volume(1), "mine")
    ]
    assert status.paused is not None
    assert status.paused.reason == "looking"


async def test_a_leader_that_is_killed_is_replaced_and_the_work_goes_on(world: World) -> None:
    await world.attached_volumes("a", 1)
    async with running_process(world, "one", **SHORT) as one:
        await until(lambda: world.holder.startswith("one-"))
        async with running_process(world, "two", **SHORT):
            one.kill()
            await world.delete_node("a")
            await until(lambda: not world.attached)
            leader = world.holder

    assert leader.startswith("two-")


async def test_a_stopped_leader_does_nothing_after_another_one_took_over(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    async with running_process(world, "one", node_gone=1, **SHORT) as one:
        await until(lambda: world.holder.startswith("one-"))
        world.controller.failing = {name}
        await world.delete_node("a")
        await until(lambda: bool(world.controller.calls), "it acts, and fails")
        one.send_signal(signal.SIGSTOP)
        async with world.replica(**SHORT) as two:
            await two.stub.pause(api.PauseRequest(reason="the other one must not act"))
            await eventually(lambda: is_held(two.findings()))
            calls, asked = len(world.controller.calls), len(world.api.requests)
            world.controller.failing = set()
            one.send_signal(signal.SIGCONT)
            await until(lambda: looked(world, asked), "the first one looks at the Lease again")
            async with open_admin_channel(world.path / "one.sock") as channel:
                stub = api.ReconcilerAdminStub(channel, timeout=10)
                await eventually(lambda: is_following(stub))
                rehearsed = await stub.run_pass(api.RunPassRequest(dry_run=True))

    assert len(world.controller.calls) == calls
    assert world.attached == {(name, "a")}
    assert rehearsed.actions_total == 0


async def test_it_ends_when_it_is_told_to_and_gives_the_lease_back(world: World) -> None:
    async with running_process(world, "one") as one:
        await until(lambda: world.holder.startswith("one-"))
        one.terminate()
        code = await asyncio.wait_for(one.wait(), PATIENCE)

    assert code == 0
    assert world.holder == ""
    assert not (world.path / "one.sock").exists()


async def test_a_leader_cut_off_from_the_cluster_does_not_act(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.failing = {name}
    async with world.replica(lease_seconds=3, lease_deadline=2) as replica:
        await world.delete_node("a")
        await until(lambda: bool(world.controller.calls))
        world.api.faults.hanging = {"GET", "PATCH", "PUT", "POST", "DELETE"}
        await eventually(lambda: is_following(replica.stub), "its time as leader is over")
        calls = len(world.controller.calls)
        world.controller.failing = set()
        await world.controller.reconnect()
        await eventually(lambda: is_following(replica.stub))
        world.api.faults.hanging = set()

    assert len(world.controller.calls) == calls


def looked(world: World, since: int) -> bool:
    leases = [r for r in world.api.requests[since:] if "/leases/" in r]
    return len(leases) > 20


async def is_known(asked: Awaitable[list[api.Finding]]) -> bool:
    return bool(await asked)


async def is_held(asked: Awaitable[list[api.Finding]]) -> bool:
    found = await asked
    return [f.state for f in found] == [api.FindingState.HELD_BACK]


async def is_following(stub: api.ReconcilerAdminStub) -> bool:
    return not (await stub.get_status(api.GetStatusRequest())).is_leader
