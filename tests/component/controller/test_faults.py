"""What callers are told, and what the device ends up with, when things go wrong in between."""

import asyncio
import contextlib
from pathlib import Path

import asyncssh
import pytest
from grpclib import GRPCError
from grpclib.const import Status

from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault
from libs.mockrds.files import Pool
from libs.mockrds.testing import public_text, running_device
from protos.gen.csi import v1 as csi
from services.controller.app import open_controller
from tests.component.controller.rig import (
    GIB,
    NAME,
    Rig,
    connect,
    error_of,
    open_rig,
    settings_for,
)
from tests.waiting import PATIENCE, until


async def test_a_creation_whose_answer_is_lost_is_found_by_the_retry(rig: Rig) -> None:
    rig.device.faults.add(Fault(Action.DROP_AFTER, "/disk/add"))

    status, _ = await error_of(rig.create())
    volume = await rig.create()

    assert status is Status.UNAVAILABLE
    assert rig.device.slots == [volume.volume_id]


async def test_a_creation_that_never_reached_the_device_is_done_by_the_retry(rig: Rig) -> None:
    rig.device.faults.add(Fault(Action.DROP_BEFORE, "/disk/add"))

    status, _ = await error_of(rig.create())

    assert status is Status.UNAVAILABLE
    assert rig.device.slots == []
    await rig.create()
    assert rig.device.slots == [NAME]


@pytest.mark.parametrize("amount", [0, 1, 50, 150])
async def test_an_answer_that_was_cut_off_is_never_taken_for_a_whole_one(
    rig: Rig, amount: int
) -> None:
    await rig.create()
    rig.device.faults.add(Fault(Action.TRUNCATE, "/disk", count=2, amount=amount))

    listing, _ = await error_of(rig.controller.list_volumes(csi.ListVolumesRequest()))
    deletion, _ = await error_of(rig.delete())

    assert listing is deletion is Status.UNAVAILABLE


async def test_a_deletion_whose_answer_is_lost_is_finished_by_the_retry(rig: Rig) -> None:
    await rig.create()
    rig.device.faults.add(Fault(Action.DROP_AFTER, "/disk/remove"))

    status, _ = await error_of(rig.delete())
    await rig.delete()

    assert status is Status.UNAVAILABLE
    assert rig.device.state.files == {}


async def test_a_question_that_was_lost_is_asked_again(rig: Rig) -> None:
    await rig.create()
    rig.device.faults.add(Fault(Action.DROP_AFTER, "slot~"))

    listed = await rig.controller.list_volumes(csi.ListVolumesRequest())

    assert len(listed.entries) == 1


async def create_at_last(rig: Rig) -> None:
    """Create the volume as a sidecar does, which asks until it is done."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(GRPCError):
                await rig.create()
                return
            await asyncio.sleep(0.02)  # a pause between two tries


async def test_a_device_that_hangs_costs_a_call_its_time_limit_and_no_session(
    tmp_path: Path,
) -> None:
    async with open_rig(tmp_path, rds_command_timeout=1.0, rds_max_sessions=1) as rig:
        rig.device.faults.add(Fault(Action.HANG, "/disk/add"))

        status, message = await error_of(rig.create())
        await create_at_last(rig)

        assert status is Status.UNAVAILABLE
        assert "did not answer within 1 s" in message


async def test_a_caller_that_leaves_does_not_break_off_its_change(rig: Rig) -> None:
    rig.device.faults.add(Fault(Action.HANG, "/disk/add"))
    leaving = asyncio.create_task(rig.create())
    await until(lambda: rig.device.slots, "the change has been sent")

    leaving.cancel()
    await asyncio.wait({leaving})
    busy, message = await error_of(rig.create())
    await rig.device.restart()  # the answer is not waited for any longer
    await create_at_last(rig)

    assert busy is Status.ABORTED
    assert message == f"an operation on volume {NAME} is in progress"
    assert rig.device.slots == [NAME]
    assert sum("/disk/add" in line for line in rig.device.lines) == 2


@pytest.mark.parametrize("text", ["failure: device is busy", "what is this", "no such item"])
async def test_a_change_that_was_made_is_never_reported_as_final(rig: Rig, text: str) -> None:
    noise = f"rds-csi:changed\r\n[]\r\n{text}\r\n"
    rig.device.faults.add(Fault(Action.GARBAGE, "/disk/add", text=noise))

    status, _ = await error_of(rig.create())
    await rig.create()

    assert status is Status.UNAVAILABLE
    assert rig.device.slots == [NAME]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("failure: not enough space", Status.RESOURCE_EXHAUSTED),
        ("not enough permissions (9)", Status.INTERNAL),
        ("syntax error (line 1 column 8)", Status.INTERNAL),
        ("bad command name serialize (line 1 column 2)", Status.FAILED_PRECONDITION),
        ("std failure: timeout", Status.UNAVAILABLE),
        ("action timed out - try again, if error continues (13)", Status.UNAVAILABLE),
        ("failure: nobody has ever seen this", Status.INTERNAL),
    ],
)
async def test_a_device_text_becomes_a_status_and_stays_out_of_the_answer(
    rig: Rig, text: str, status: Status
) -> None:
    rig.device.faults.add(Fault(Action.ERROR, "/disk/add", text=text))

    code, message = await error_of(rig.create())

    assert code is status
    assert text not in message


async def test_a_device_that_reports_failure_by_status_alone_leaves_the_outcome_open(
    rig: Rig,
) -> None:
    rig.device.mock.honest_status = True
    answer = "rds-csi:changed\r\n" + "[]\r\n" * 4
    rig.device.faults.add(Fault(Action.ERROR, "/disk/add", text=answer))

    status, message = await error_of(rig.create())
    await rig.create()

    assert status is Status.UNAVAILABLE
    assert message == "the device reported a failure without saying which"


async def test_a_device_that_restarts_is_connected_to_again(rig: Rig) -> None:
    await rig.create()

    rig.device.mock.drop_connections()
    volume = await rig.create()

    assert volume.volume_id == NAME


async def test_a_device_that_is_away_at_the_start_does_not_keep_the_controller_down(
    tmp_path: Path,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with running_device() as gone:
            pass
        settings = settings_for(tmp_path, gone)
        await stack.enter_async_context(open_controller(settings))
        rig = await connect(stack, gone, settings)

        status, message = await error_of(rig.create())
        probe = await rig.identity.probe(csi.ProbeRequest())
        device = await stack.enter_async_context(running_device(port=gone.port))
        while (await rig.identity.probe(csi.ProbeRequest())).ready is not True:
            pass
        await rig.create()

        assert status is Status.UNAVAILABLE
        assert message == f"the device at 127.0.0.1:{gone.port} cannot be reached"
        assert probe.ready is False
        assert device.slots == [NAME]


async def test_a_device_with_another_host_key_is_not_talked_to(tmp_path: Path) -> None:
    pinned = public_text(asyncssh.generate_private_key("ssh-ed25519"))
    async with contextlib.AsyncExitStack() as stack:
        device = await stack.enter_async_context(running_device())
        settings = settings_for(tmp_path, device)
        (tmp_path / "host-key").write_text(pinned)
        await stack.enter_async_context(open_controller(settings))
        rig = await connect(stack, device, settings)

        status, message = await error_of(rig.create())

        shown = asyncssh.import_public_key(device.host_key).get_fingerprint()
        assert status is Status.UNAVAILABLE
        assert f"shows host key {shown}, but pinned is SHA256:" in message
        assert device.execs == []


async def test_a_wrong_password_is_said_so(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        device = await stack.enter_async_context(running_device())
        settings = settings_for(tmp_path, device)
        (tmp_path / "password").write_text("wrong")
        await stack.enter_async_context(open_controller(settings))
        rig = await connect(stack, device, settings)

        status, message = await error_of(rig.create())

        assert status is Status.UNAVAILABLE
        assert "does not let user 'rds-csi' log in" in message


async def test_a_release_without_file_disks_is_refused_in_words(tmp_path: Path) -> None:
    device = Device([Pool("raid10", 2**40)], version="7.16.2 (stable)")
    async with open_rig(tmp_path, device) as rig:
        status, message = await error_of(rig.create())
        probe = await rig.identity.probe(csi.ProbeRequest())

        assert status is Status.FAILED_PRECONDITION
        assert (
            message == "the device runs RouterOS 7.16.2 (stable); this driver needs 7.17 or newer"
        )
        assert probe.ready is False


async def test_a_second_controller_sees_what_the_first_one_made(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_rig(tmp_path))
        endpoint = f"unix://{tmp_path}/second.sock"
        settings = settings_for(tmp_path, first.device, csi_endpoint=endpoint)
        await stack.enter_async_context(open_controller(settings))
        second = await connect(stack, first.device, settings)

        answers = await asyncio.gather(
            *(rig.create(f"both-{i}", required=GIB) for rig in (first, second) for i in range(10))
        )

        assert len(answers) == 20
        assert len(first.device.slots) == 10


async def test_a_device_that_answers_the_first_question_wrongly_is_asked_again(
    tmp_path: Path,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        device = await stack.enter_async_context(running_device())
        device.faults.add(Fault(Action.TRUNCATE, "/system/resource", amount=5))
        settings = settings_for(tmp_path, device)
        await stack.enter_async_context(open_controller(settings))
        rig = await connect(stack, device, settings)

        while (await rig.identity.probe(csi.ProbeRequest())).ready is not True:
            pass

        assert len(device.execs) == 2


async def test_a_deletion_that_somebody_else_finishes_first_succeeds(rig: Rig) -> None:
    await rig.create()
    rig.device.faults.add(Fault(Action.ERROR, "/disk/remove", text="no such item"))
    rig.device.state.disks.clear()
    rig.device.state.files.clear()

    await rig.delete()

    assert rig.device.slots == []
