"""Terms of a leader and their work; processes that stop."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest

from libs.kube.errors import NotLeader
from libs.kube.lease import Election, boot_time
from tests.component.kube.elections import DEADLINE, DURATION, Clock, candidate, some_requests, spec
from tests.fakes.apiserver import ApiServer
from tests.waiting import until

# Terms


async def test_the_work_of_a_term_is_cancelled_at_its_end_and_says_why(
    api: ApiServer, clock: Clock
) -> None:
    terms = []

    async def work(election: Election) -> None:
        async with election.term() as term:
            terms.append(term)
            api.broken = (500, "")
            clock.now += DEADLINE
            await asyncio.Event().wait()

    async with candidate(api, "a", clock) as one:
        with pytest.raises(NotLeader):
            await work(one)
        api.broken = None

        with pytest.raises(NotLeader):
            terms[0].check()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_a_cancellation_from_elsewhere_stays_one(api: ApiServer, clock: Clock) -> None:
    begun = asyncio.Event()

    async def work(election: Election) -> None:
        async with election.term():
            begun.set()
            await asyncio.Event().wait()

    async with candidate(api, "a", clock) as one:
        task = asyncio.create_task(work(one))
        await begun.wait()

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


async def test_after_a_term_that_was_lost_there_is_another(api: ApiServer, clock: Clock) -> None:
    numbers = []
    async with candidate(api, "a", clock) as one:
        for answer in ((500, ""), None):
            with contextlib.suppress(NotLeader):
                async with one.term() as term:
                    numbers.append(term)
                    api.broken = answer
                    if answer:
                        clock.now += DEADLINE
                        await asyncio.Event().wait()
            api.broken = None

    assert numbers[0] is not numbers[1]
    assert numbers[0].is_over


async def test_work_that_does_not_stop_keeps_this_process_from_a_second_term(
    api: ApiServer, clock: Clock
) -> None:
    told, may_stop = asyncio.Event(), asyncio.Event()

    async def stubborn(election: Election) -> None:
        async with election.term():
            while not may_stop.is_set():
                try:
                    await may_stop.wait()
                except asyncio.CancelledError:
                    told.set()
            election.check()

    async with candidate(api, "a", clock) as one, candidate(api, "b", clock) as two:
        await until(lambda: one.is_leading or two.is_leading)
        first, second = (one, two) if one.is_leading else (two, one)
        task = asyncio.create_task(stubborn(first))
        await some_requests(api)

        api.refusals = {"GET": 500, "PATCH": 500}
        clock.now += DEADLINE
        await told.wait()
        api.refusals = {}
        while not second.is_leading:
            clock.now += DURATION
            await some_requests(api)

        assert not first.is_leading
        may_stop.set()
        with pytest.raises(NotLeader):
            await task


async def test_the_end_waits_for_the_work_before_it_gives_the_lease_back(
    api: ApiServer, clock: Clock
) -> None:
    order: list[str] = []
    begun = asyncio.Event()

    async def work(election: Election) -> None:
        async with election.term():
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.1)  # a Lease that does not wait for this is given back by now
                order.append(f"work ended under {spec(api)['holderIdentity']}")

    async with candidate(api, "a", clock) as one:
        task = asyncio.create_task(work(one))
        await begun.wait()
    with pytest.raises(NotLeader):
        await task

    assert order == ["work ended under a"]
    assert spec(api)["holderIdentity"] == ""


# Processes

PROGRAM = """
import asyncio, sys
from pathlib import Path
from libs.kube.client import open_kube
from libs.kube.errors import NotLeader
from libs.kube.lease import boot_time, open_election
from libs.kube.leasing import LeaseOptions

async def main(kubeconfig, identity):
    options = LeaseOptions("default", "reconciler", identity, 1.5, 1.0, 0.1)
    async with open_kube(Path(kubeconfig)) as kube, open_election(kube, options) as election:
        while True:
            try:
                async with election.term():
                    while True:
                        at = boot_time()
                        election.check()
                        print(at, file=sys.stderr, flush=True)
                        await asyncio.sleep(0.05)
            except NotLeader:
                print("stops", file=sys.stderr, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_that_was_stopped_does_not_act_after_another_took_over(
    api: ApiServer,
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(api.kubeconfig), "a", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(50):
            assert await process.stderr.readline() != b"stops\n"
            async with candidate(api, "b", boot_time, (1.5, 1.0)) as two:
                os.kill(process.pid, signal.SIGSTOP)
                await two_leads(two)
                taken_over = boot_time()
                os.kill(process.pid, signal.SIGCONT)

                acted = []
                while (line := await process.stderr.readline()) != b"stops\n":
                    acted.append(float(line))
    finally:
        process.kill()
        await process.wait()
    assert all(at < taken_over for at in acted)


async def two_leads(two: Election) -> None:
    while True:
        with contextlib.suppress(NotLeader):  # on a slow machine its time may be over at once
            async with two.term():
                return
