"""The election against an API that fails, and processes that stop; its terms and their work."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from libs.kube.client import open_kube
from libs.kube.errors import NotLeader
from libs.kube.lease import Election, boot_time, open_election
from libs.kube.leasing import LeaseOptions
from tests.fakes.apiserver import ApiServer, running_api

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
TIMES = {"duration": 1.5, "deadline": 1.0, "retry": 0.1}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api(tmp_path) as api:
        yield api


@contextlib.asynccontextmanager
async def candidate(api: ApiServer, name: str, **times: float) -> AsyncIterator[Election]:
    options = LeaseOptions("default", "reconciler", name, **(TIMES | times))
    async with open_kube(api.kubeconfig) as kube, open_election(kube, options) as election:
        yield election


async def until(condition: Callable[[], object], limit: float = 10.0) -> None:
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 (it has no event to wait for)
            await asyncio.sleep(0.005)


def spec(api: ApiServer) -> dict[str, Any]:
    found: dict[str, Any] = api.objects[LEASES]["reconciler"]["spec"]
    return found


async def test_a_renewal_whose_answer_is_lost_does_not_end_the_term(api: ApiServer) -> None:
    async with candidate(api, "a") as one:
        await until(lambda: one.is_leading)
        async with one.term() as term:
            for _ in range(3):
                api.lost = 1
                await until(lambda: api.lost == 0)
                await asyncio.sleep(0.3)
            term.check()

    assert spec(api)["leaseTransitions"] == 0


async def test_a_lease_that_was_won_though_the_answer_was_lost_is_ours(api: ApiServer) -> None:
    api.lost = 1

    async with candidate(api, "a") as one:
        await until(lambda: one.is_leading)

    assert spec(api)["leaseTransitions"] == 0


@pytest.mark.parametrize("answer", [(500, "oops"), (403, "{}"), (200, "not json"), (200, "{}")])
async def test_a_server_that_answers_nonsense_ends_the_term_in_time(
    api: ApiServer, answer: tuple[int, str]
) -> None:
    loop = asyncio.get_running_loop()
    async with candidate(api, "a") as one:
        await until(lambda: one.is_leading)

        api.broken = answer
        began = loop.time()
        await until(lambda: not one.is_leading)

        assert loop.time() - began <= TIMES["deadline"] + 0.2
        api.broken = None


async def test_a_server_that_never_answers_ends_the_term_in_time(api: ApiServer) -> None:
    loop = asyncio.get_running_loop()
    async with candidate(api, "a") as one:
        await until(lambda: one.is_leading)

        api.faults.hanging.add(f"PATCH {LEASES}")
        api.faults.hanging.add(f"GET {LEASES}")
        began = loop.time()
        await until(lambda: not one.is_leading)

        assert loop.time() - began <= TIMES["deadline"] + 0.2
        api.faults.hanging.clear()
        await until(lambda: one.is_leading)


async def test_a_lease_that_is_taken_by_force_ends_the_term_at_once(api: ApiServer) -> None:
    async with candidate(api, "a", duration=60, deadline=40) as one:
        await until(lambda: one.is_leading)
        taken = {**api.objects[LEASES]["reconciler"]}
        taken["spec"] = {**taken["spec"], "holderIdentity": "b"}

        await api.put(LEASES, taken)

        await until(lambda: not one.is_leading, limit=2)
        assert one.holder == "b"


async def test_a_lease_that_is_deleted_ends_the_term(api: ApiServer) -> None:
    async with candidate(api, "a") as one:
        await until(lambda: one.is_leading)

        await api.remove(LEASES, "reconciler")
        await until(lambda: not one.is_leading)

        await until(lambda: one.is_leading)  # and after the duration it is made anew


async def test_one_line_tells_of_a_server_that_stays_away(api: ApiServer) -> None:
    with capture_logs() as logs:
        api.refusals = {"GET": 403}
        async with candidate(api, "a"):
            await until(lambda: len(api.requests) > 5)

    told = [line for line in logs if line["event"] == "election"]
    assert len(told) == 1
    assert "RBAC" in told[0]["reason"]


# Terms


async def test_the_work_of_a_term_is_cancelled_at_its_end_and_says_why(api: ApiServer) -> None:
    terms = []

    async def work(election: Election) -> None:
        async with election.term() as term:
            terms.append(term)
            api.broken = (500, "")
            await asyncio.Event().wait()

    async with candidate(api, "a") as one:
        with pytest.raises(NotLeader):
            await work(one)
        api.broken = None

        with pytest.raises(NotLeader):
            terms[0].check()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_a_cancellation_from_elsewhere_stays_one(api: ApiServer) -> None:
    async with candidate(api, "a") as one:
        task = asyncio.create_task(forever(one))
        await until(lambda: one.is_leading)
        await asyncio.sleep(0)

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


async def forever(election: Election) -> None:
    async with election.term():
        await asyncio.Event().wait()


async def test_after_a_term_that_was_lost_there_is_another(api: ApiServer) -> None:
    numbers = []
    async with candidate(api, "a") as one:
        for answer in ((500, ""), None):
            with contextlib.suppress(NotLeader):
                async with one.term() as term:
                    numbers.append(term)
                    api.broken = answer
                    if answer:
                        await asyncio.Event().wait()
            api.broken = None

    assert numbers[0] is not numbers[1]
    assert numbers[0].is_over


async def test_work_that_does_not_stop_keeps_this_process_from_a_second_term(
    api: ApiServer,
) -> None:
    stubborn = asyncio.Event()
    async with candidate(api, "a") as one, candidate(api, "b", retry=0.2) as two:
        await until(lambda: one.is_leading or two.is_leading)
        first, second = (one, two) if one.is_leading else (two, one)
        task = asyncio.create_task(never_stops(first, stubborn))
        await asyncio.sleep(0)

        api.refusals = {"GET": 500, "PATCH": 500}
        await until(lambda: not first.is_leading)
        api.refusals = {}
        await until(lambda: second.is_leading)

        assert not first.is_leading
        stubborn.set()
        with pytest.raises(NotLeader):
            await task


async def never_stops(election: Election, stubborn: asyncio.Event) -> None:
    async with election.term():
        while not stubborn.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await stubborn.wait()
        election.check()


async def test_the_end_waits_for_the_work_before_it_gives_the_lease_back(api: ApiServer) -> None:
    order: list[str] = []

    async def work(election: Election) -> None:
        async with election.term():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.1)
                order.append(f"work ended under {spec(api)['holderIdentity']}")

    async with candidate(api, "a") as one:
        task = asyncio.create_task(work(one))
        await until(lambda: one.is_leading)
        await asyncio.sleep(0)
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
        async with asyncio.timeout(30):
            assert await process.stderr.readline() != b"stops\n"
            async with candidate(api, "b") as two:
                os.kill(process.pid, signal.SIGSTOP)
                await two_leads(two)
                taken_over = boot_time()
                os.kill(process.pid, signal.SIGCONT)

                acted = []
                while (line := await process.stderr.readline()) != b"stops\n":
                    acted.append(float(line))

                assert two.is_leading
    finally:
        process.kill()
        await process.wait()
    assert all(at < taken_over for at in acted)


async def two_leads(two: Election) -> None:
    async with two.term():
        pass
