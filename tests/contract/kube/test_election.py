"""Leader election on a server: one leads, and the next one takes over."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import InvalidRequest
from libs.kube.client import open_kube
from libs.kube.errors import NotLeader
from libs.kube.lease import Election, open_election
from libs.kube.leasing import LeaseOptions
from tests.contract.kube.objects import lease
from tests.kube.worlds import World
from tests.waiting import eventually, until

DURATION, DEADLINE, RETRY = 90.0, 60.0, 0.1


class Clock:
    """Time that stands still until a test lets it pass: no term ends because a machine is slow."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextlib.asynccontextmanager
async def candidate(world: World, identity: str, clock: Clock) -> AsyncIterator[Election]:
    """Open a candidate with a connection of its own, as another process has."""
    options = LeaseOptions(world.namespace, "reconciler", identity, DURATION, DEADLINE, RETRY)
    async with (
        open_kube(world.kubeconfig) as kube,
        open_election(kube, options, clock=clock) as election,
    ):
        yield election


async def spec_of(world: World) -> dict[str, Any]:
    item = await world.kube.get(f"{world.leases}/reconciler")
    assert item is not None
    spec: dict[str, Any] = item["spec"]
    return spec


async def renewed(world: World) -> None:
    """Wait until the Lease has been renewed twice: the first may have been under way before."""
    for _ in range(2):
        before = (await spec_of(world))["renewTime"]

        async def is_later(before: str = before) -> bool:
            return bool((await spec_of(world))["renewTime"] > before)

        await eventually(is_later, "the Lease is renewed")


async def test_who_comes_first_leads_and_says_so_in_the_lease(world: World, clock: Clock) -> None:
    async with candidate(world, "a", clock) as one:
        await until(lambda: one.is_leading)
        one.check()
        spec = await spec_of(world)

    assert spec["holderIdentity"] == "a"
    assert spec["leaseDurationSeconds"] == DURATION
    assert spec["leaseTransitions"] == 0
    assert spec["acquireTime"] <= spec["renewTime"]


async def test_a_leader_goes_on_leading_and_nobody_else_does(world: World, clock: Clock) -> None:
    async with candidate(world, "a", clock) as one, candidate(world, "b", clock) as two:
        await until(lambda: one.is_leading or two.is_leading)
        first, second = (one, two) if one.is_leading else (two, one)
        before = await spec_of(world)

        seen = []
        for _ in range(4):  # twice as long as it would last without being renewed
            clock.now += DEADLINE - 1
            await renewed(world)
            seen.append((first.is_leading, second.is_leading))

        after = await spec_of(world)
        with pytest.raises(NotLeader):
            second.check()
    assert seen == [(True, False)] * 4
    assert after["renewTime"] > before["renewTime"]
    assert after["acquireTime"] == before["acquireTime"]


async def test_a_leader_that_ends_gives_the_lease_back_and_the_next_need_not_wait(
    world: World, clock: Clock
) -> None:
    async with contextlib.AsyncExitStack() as first:
        one = await first.enter_async_context(candidate(world, "a", clock))
        await until(lambda: one.is_leading)
        async with candidate(world, "b", clock) as two:
            await until(lambda: two.holder == "a")

            await first.aclose()
            spec = await spec_of(world)
            await until(lambda: two.is_leading)  # and no time has passed

            transitions = two.transitions
    assert spec["holderIdentity"] in ("", "b")
    assert transitions == 1


async def test_a_lease_whose_holder_is_gone_is_taken_when_it_did_not_change_for_its_duration(
    world: World, clock: Clock
) -> None:
    # By the times in it, it has been renewed in the far future; they do not count.
    future = "2999-01-01T00:00:00.000000Z"
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 120, "leaseTransitions": 7}
    await world.kube.create(world.leases, lease("reconciler", **spec, renewTime=future))

    async with candidate(world, "a", clock) as one:
        await until(lambda: one.holder == "gone")
        clock.now += 119
        await asyncio.sleep(5 * RETRY)  # it has looked since, and could have taken it
        too_early = one.is_leading
        clock.now += 1
        await until(lambda: one.is_leading)
        after = await spec_of(world)

    assert not too_early
    assert (after["holderIdentity"], after["leaseTransitions"]) == ("a", 8)


async def test_a_leader_that_cannot_reach_the_server_stops_before_another_may_begin(
    world: World, clock: Clock
) -> None:
    begun, stopped = asyncio.Event(), list[str]()
    async with candidate(world, "a", clock) as one:
        working = asyncio.create_task(work(one, begun, stopped))
        await begun.wait()

        async with world.away():
            clock.now += DEADLINE
            leads = one.is_leading
            await until(lambda: stopped)

        assert not leads
        assert stopped == ["cancelled", "NotLeader"]
        await until(lambda: one.is_leading)  # and leads again when the server is back
        await working


async def work(election: Election, begun: asyncio.Event, stopped: list[str]) -> None:
    try:
        async with election.term():
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append("cancelled")
    except NotLeader:
        stopped.append("NotLeader")


async def test_a_process_that_was_stopped_may_not_act_when_it_wakes(
    world: World, clock: Clock
) -> None:
    async with candidate(world, "a", clock) as one:
        await until(lambda: one.is_leading)
        one.check()

        clock.now += DURATION  # what a clock shows after SIGSTOP and SIGCONT, or a suspension

        with pytest.raises(NotLeader):
            one.check()


async def test_of_many_candidates_never_two_may_act_at_once(world: World, clock: Clock) -> None:
    async with contextlib.AsyncExitStack() as stack:
        all_of_them = [
            await stack.enter_async_context(candidate(world, f"c{i}", clock)) for i in range(5)
        ]
        for _ in range(3):
            await until(lambda: any(one.is_leading for one in all_of_them))
            await renewed(world)
            leading = [one.identity for one in all_of_them if one.is_leading]
            spec = await spec_of(world)

            assert leading == [spec["holderIdentity"]]
            clock.now += DURATION  # its time is over, and anybody may be the next


@pytest.mark.parametrize("times", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_times_that_leave_no_room_for_each_other_are_refused(times: tuple[float, ...]) -> None:
    duration, deadline, retry = times

    with pytest.raises(InvalidRequest, match="must be longer"):
        LeaseOptions("default", "x", "a", duration=duration, deadline=deadline, retry=retry)


def test_nobody_takes_part_without_a_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="identity"):
        LeaseOptions("default", tmp_path.name, "")
