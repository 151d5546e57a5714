"""Leader election on a server: one leads, and the next one takes over."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import InvalidRequest
from libs.kube.client import open_kube
from libs.kube.errors import NotLeader
from libs.kube.lease import Election, boot_time, open_election
from libs.kube.leasing import LeaseOptions
from tests.contract.kube.objects import lease
from tests.kube.worlds import World

DURATION, DEADLINE, RETRY = 3.0, 2.0, 0.2


def options(world: World, identity: str, **changes: Any) -> LeaseOptions:
    times = {"duration": DURATION, "deadline": DEADLINE, "retry": RETRY, **changes}
    return LeaseOptions(world.namespace, "reconciler", identity, **times)


@contextlib.asynccontextmanager
async def candidate(world: World, identity: str, **changes: Any) -> AsyncIterator[Election]:
    """Open a candidate with a connection of its own, as another process has."""
    clock: Callable[[], float] = changes.pop("clock", boot_time)
    async with (
        open_kube(world.kubeconfig) as kube,
        open_election(kube, options(world, identity, **changes), clock=clock) as election,
    ):
        yield election


async def until(condition: Callable[[], object], limit: float = 15.0) -> None:
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 (it has no event to wait for)
            await asyncio.sleep(0.01)


async def spec_of(world: World) -> dict[str, Any]:
    item = await world.kube.get(f"{world.leases}/reconciler")
    assert item is not None
    spec: dict[str, Any] = item["spec"]
    return spec


async def test_who_comes_first_leads_and_says_so_in_the_lease(world: World) -> None:
    async with candidate(world, "a") as one:
        await until(lambda: one.is_leading)
        one.check()
        spec = await spec_of(world)

    assert spec["holderIdentity"] == "a"
    assert spec["leaseDurationSeconds"] == 3
    assert spec["leaseTransitions"] == 0
    assert spec["acquireTime"] <= spec["renewTime"]


async def test_a_leader_goes_on_leading_and_nobody_else_does(world: World) -> None:
    async with candidate(world, "a") as one, candidate(world, "b") as two:
        await until(lambda: one.is_leading or two.is_leading)
        first, second = (one, two) if one.is_leading else (two, one)
        before = await spec_of(world)
        began = boot_time()

        seen = []
        while boot_time() - began < DURATION + 1:
            seen.append((first.is_leading, second.is_leading))
            await asyncio.sleep(0.01)

        after = await spec_of(world)
        with pytest.raises(NotLeader):
            second.check()
    assert set(seen) == {(True, False)}
    assert after["renewTime"] > before["renewTime"]
    assert after["acquireTime"] == before["acquireTime"]


async def test_a_leader_that_ends_gives_the_lease_back_and_the_next_need_not_wait(
    world: World,
) -> None:
    async with contextlib.AsyncExitStack() as first:
        one = await first.enter_async_context(candidate(world, "a"))
        await until(lambda: one.is_leading)
        async with candidate(world, "b", retry=0.1) as two:
            await until(lambda: two.holder == "a")
            began = boot_time()

            await first.aclose()
            spec = await spec_of(world)
            await until(lambda: two.is_leading)

            took = boot_time() - began
            transitions = two.transitions
    assert spec["holderIdentity"] in ("", "b")
    assert took < DURATION / 2
    assert transitions == 1


async def test_a_lease_whose_holder_is_gone_is_taken_when_it_did_not_change_for_its_duration(
    world: World,
) -> None:
    # By the times in it, it has been renewed in the far future; they do not count.
    future = "2999-01-01T00:00:00.000000Z"
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 4, "leaseTransitions": 7}
    await world.kube.create(world.leases, lease("reconciler", **spec, renewTime=future))
    began = boot_time()

    async with candidate(world, "a") as one:
        await until(lambda: one.is_leading)
        took = boot_time() - began
        after = await spec_of(world)

    assert 4 <= took < 6
    assert (after["holderIdentity"], after["leaseTransitions"]) == ("a", 8)


async def test_a_leader_that_cannot_reach_the_server_stops_before_another_may_begin(
    world: World,
) -> None:
    stopped: list[str] = []
    async with candidate(world, "a") as one:
        working = asyncio.create_task(work(one, stopped))
        await until(lambda: one.is_leading)

        async with world.away():
            began = boot_time()
            await until(lambda: stopped)
            took = boot_time() - began

        assert stopped == ["cancelled", "NotLeader"]
        assert took < DEADLINE + 0.5
        await until(lambda: one.is_leading)  # and leads again when the server is back
        await working


async def work(election: Election, stopped: list[str]) -> None:
    try:
        async with election.term():
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append("cancelled")
    except NotLeader:
        stopped.append("NotLeader")


async def test_a_process_that_was_stopped_may_not_act_when_it_wakes(world: World) -> None:
    ahead = 0.0
    async with candidate(world, "a", clock=lambda: boot_time() + ahead) as one:
        await until(lambda: one.is_leading)
        one.check()

        ahead = DURATION  # what a clock shows after SIGSTOP and SIGCONT, or a suspension

        with pytest.raises(NotLeader):
            one.check()


async def test_of_many_candidates_never_two_may_act_at_once(world: World) -> None:
    async with contextlib.AsyncExitStack() as stack:
        all_of_them = [
            await stack.enter_async_context(candidate(world, f"c{i}", duration=1.5, deadline=1.0))
            for i in range(5)
        ]
        leaders = set()
        for _ in range(3):
            await until(lambda: any(one.is_leading for one in all_of_them))
            leading = [one for one in all_of_them if one.is_leading]
            leaders.add(leading[0].identity)

            assert len(leading) == 1
            spec = await spec_of(world)
            assert spec["holderIdentity"] == leading[0].identity


@pytest.mark.parametrize("times", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_times_that_leave_no_room_for_each_other_are_refused(times: tuple[float, ...]) -> None:
    duration, deadline, retry = times

    with pytest.raises(InvalidRequest, match="must be longer"):
        LeaseOptions("default", "x", "a", duration=duration, deadline=deadline, retry=retry)


def test_nobody_takes_part_without_a_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="identity"):
        LeaseOptions("default", tmp_path.name, "")
