"""The election against an API that fails."""

import pytest
from structlog.testing import capture_logs

from tests.component.kube.elections import (
    DEADLINE,
    DURATION,
    LEASES,
    Clock,
    candidate,
    some_requests,
    spec,
)
from tests.fakes.apiserver import ApiServer
from tests.waiting import until


async def test_a_renewal_whose_answer_is_lost_does_not_end_the_term(
    api: ApiServer, clock: Clock
) -> None:
    async with candidate(api, "a", clock) as one:
        await until(lambda: one.is_leading)
        async with one.term() as term:
            for _ in range(3):
                api.lost = 1
                await until(lambda: api.lost == 0)
                await some_requests(api, "PATCH", count=1)
            term.check()

    assert spec(api)["leaseTransitions"] == 0


async def test_a_lease_that_was_won_though_the_answer_was_lost_is_ours(
    api: ApiServer, clock: Clock
) -> None:
    api.lost = 1

    async with candidate(api, "a", clock) as one:
        await until(lambda: one.is_leading)

    assert spec(api)["leaseTransitions"] == 0


@pytest.mark.parametrize("answer", [(500, "oops"), (403, "{}"), (200, "not json"), (200, "{}")])
async def test_a_server_that_answers_nonsense_ends_the_term_in_time(
    api: ApiServer, clock: Clock, answer: tuple[int, str]
) -> None:
    async with candidate(api, "a", clock) as one:
        await until(lambda: one.is_leading)

        api.broken = answer
        clock.now += DEADLINE - 0.1
        await some_requests(api)
        clock.now += 0.1

        assert not one.is_leading
        api.broken = None


async def test_a_server_that_never_answers_ends_the_term_in_time(
    api: ApiServer, clock: Clock
) -> None:
    async with candidate(api, "a", clock, (3.0, 2.0)) as one:  # a request may take a second
        await until(lambda: one.is_leading)

        api.faults.hanging.add(f"PATCH {LEASES}")
        api.faults.hanging.add(f"GET {LEASES}")
        clock.now += 1.9
        await some_requests(api, count=2)
        still = one.is_leading
        clock.now += 0.1

        assert (still, one.is_leading) == (True, False)
        api.faults.hanging.clear()
        await until(lambda: one.is_leading)


async def test_a_lease_that_is_taken_by_force_ends_the_term_at_once(
    api: ApiServer, clock: Clock
) -> None:
    async with candidate(api, "a", clock) as one:
        await until(lambda: one.is_leading)
        taken = {**api.objects[LEASES]["reconciler"]}
        taken["spec"] = {**taken["spec"], "holderIdentity": "b"}

        await api.put(LEASES, taken)

        await until(lambda: not one.is_leading)  # though its time is not over
        assert one.holder == "b"


async def test_a_lease_that_is_deleted_ends_the_term_and_is_made_anew_after_the_duration(
    api: ApiServer, clock: Clock
) -> None:
    async with candidate(api, "a", clock) as one:
        await until(lambda: one.is_leading)

        await api.remove(LEASES, "reconciler")
        await until(lambda: not one.is_leading)

        await some_requests(api)
        before = one.is_leading
        clock.now += DURATION
        await until(lambda: one.is_leading)

        assert not before


async def test_one_line_tells_of_a_server_that_stays_away(api: ApiServer, clock: Clock) -> None:
    with capture_logs() as logs:
        api.refusals = {"GET": 403}
        async with candidate(api, "a", clock):
            await some_requests(api, count=6)

    told = [line for line in logs if line["event"] == "election"]
    assert len(told) == 1
    assert "RBAC" in told[0]["reason"]
