import pytest
from grpclib import GRPCError
from grpclib.const import Status

from libs.core.errors import (
    Busy,
    Exhausted,
    InvalidRequest,
    OutcomeUnknown,
    RdsCsiError,
    Refused,
    Unsupported,
)
from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.rdsctl.rig import Rig


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("no"), 2),
        (OutcomeUnknown("no"), 3),
        (Busy("no"), 6),
        (Exhausted("no"), 6),
        (Unsupported("no"), 6),  # on the wire as FAILED_PRECONDITION
        (Refused("no"), 8),
        (ValueError("a bug"), 8),
    ],
)
async def test_each_kind_of_failure_has_its_exit_code(
    rig: Rig, error: RdsCsiError | Exception, code: int
) -> None:
    rig.fake.errors[api.GetStatusRequest] = error

    ended = await rig.rdsctl("status", "-o", "json")

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("rdsctl: ")


async def test_a_volume_that_nobody_knows_is_not_found(rig: Rig) -> None:
    ended = await rig.rdsctl("volume", "pvc-none")

    assert ended.code == 5
    assert "nothing is known of a volume pvc-none" in ended.err


async def test_a_reconciler_that_is_not_there_is_not_reached_and_says_who_named_it(
    rig: Rig,
) -> None:
    ended = await rig.rdsctl("status", environ={"RDSCTL_ENDPOINT": "unix:///nowhere/at/all"})

    assert ended.code == 3
    assert "No such file or directory" in ended.err
    assert "comes from RDSCTL_ENDPOINT" in ended.err


async def test_a_read_that_is_not_answered_in_time_is_not_reached(rig: Rig) -> None:
    rig.fake.silent.add(api.GetStatusRequest)

    ended = await rig.rdsctl("status", "--timeout", "0.3")

    assert ended.code == 3
    assert "--timeout gives it longer than 0.3 seconds" in ended.err


async def test_a_change_that_is_not_answered_may_have_been_made(rig: Rig) -> None:
    rig.fake.silent.add(api.PauseRequest)

    ended = await rig.rdsctl("pause", "--reason", "work", "--yes", "--timeout", "0.5")

    assert ended.code == 7
    assert "it may have been done" in ended.err
    assert "rdsctl status" in ended.err


async def test_a_watch_that_does_not_begin_ends_in_time(rig: Rig) -> None:
    rig.fake.silent.add(api.WatchFindingsRequest)

    ended = await rig.rdsctl("watch", "--timeout", "0.3")

    assert ended.code == 3


async def test_an_output_that_there_is_none_of_is_wrong_usage(rig: Rig) -> None:
    ended = await rig.rdsctl("status", environ={"RDSCTL_OUTPUT": "yaml"})

    assert ended.code == 2
    assert "RDSCTL_OUTPUT must be one of table, wide, json" in ended.err


async def test_a_reconciler_that_does_not_offer_a_call_is_said_to_be_older(rig: Rig) -> None:
    refusal = GRPCError(Status.UNIMPLEMENTED, "this call is not offered")
    rig.fake.errors[api.ListDecisionsRequest] = refusal

    ended = await rig.rdsctl("orphans")

    assert ended.code == 8
    assert "may be older" in ended.err
