"""How calls are judged."""

import pytest
from grpclib import GRPCError
from grpclib.const import Status

from tests.chaos.calls import NO_CONNECTION, OPEN, Calls

METHOD = "CreateVolume"


class Peer:
    """Somebody who is called.

    Args:
        outcomes: what comes of each call; the last one again and again.
    """

    def __init__(self, *outcomes: Exception | str) -> None:
        self._outcomes = list(outcomes)
        self.calls = 0

    async def answer(self, limit: float) -> str:
        assert limit > 0
        self.calls += 1
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_a_call_is_made_until_it_succeeds() -> None:
    calls = Calls()
    peer = Peer(GRPCError(Status.UNAVAILABLE), FileNotFoundError(), "made")

    answer = await calls.insist(METHOD, peer.answer)

    assert answer == "made"
    assert dict(calls.counts) == {
        (METHOD, "UNAVAILABLE"): 1,
        (METHOD, NO_CONNECTION): 1,
        (METHOD, "OK"): 1,
    }


async def test_there_is_no_point_in_going_on_where_the_node_is_lost() -> None:
    def check() -> None:
        if peer.calls == 2:
            raise LookupError

    calls, peer = Calls(), Peer(GRPCError(Status.UNAVAILABLE))

    with pytest.raises(LookupError):
        await calls.insist(METHOD, peer.answer, check)


@pytest.mark.parametrize("status", [Status.INTERNAL, Status.UNKNOWN, Status.ALREADY_EXISTS])
async def test_a_code_that_no_caller_can_work_with_is_noted(status: Status) -> None:
    calls = Calls()

    await calls.once(METHOD, Peer(GRPCError(status, "oh")).answer)

    assert calls.broken == [f"{METHOD} answered {status.name}: oh"]


@pytest.mark.parametrize("status", [one for one in Status if one in OPEN])
async def test_a_code_that_leaves_it_open_is_honest(status: Status) -> None:
    calls = Calls()

    answer = await calls.once(METHOD, Peer(GRPCError(status)).answer)

    assert answer.is_open
    assert calls.broken == []


async def test_what_is_final_in_one_call_is_not_in_another() -> None:
    calls = Calls()
    full = Peer(GRPCError(Status.RESOURCE_EXHAUSTED, "full"))

    await calls.once("CreateVolume", full.answer)
    await calls.once("DeleteVolume", full.answer)

    assert calls.broken == ["DeleteVolume answered RESOURCE_EXHAUSTED: full"]
