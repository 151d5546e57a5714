"""What waits for a session: shared, sent together, and told apart again."""

import asyncio

import pytest

from libs.core.errors import Unreachable
from libs.mockrds.faults import Action, Fault
from libs.mockrds.latency import fixed
from libs.mockrds.testing import RunningDevice, running_device
from libs.rdsclient.batch import NEXT, BatchLimits, join_commands, split_answers
from libs.rdsclient.commands import Command
from libs.rdsclient.errors import ConnectionLost
from libs.rdsclient.execs import Reply
from libs.rdsclient.link import LinkState
from libs.rdsclient.transport import SshTransport, open_transport
from tests.component.rdsclient.test_transport import config


async def run_all(
    transport: SshTransport, lines: list[str], *, changes: bool = True
) -> list[Reply | BaseException]:
    return await asyncio.gather(
        *(transport.run(Command(line, changes=changes)) for line in lines), return_exceptions=True
    )


async def connected(transport: SshTransport, device: RunningDevice) -> None:
    await transport.link.wait_for_connection(after=0)
    device.mock.latency = fixed(0.01)


async def test_a_hundred_commands_at_once_take_as_many_round_trips_as_there_are_sessions() -> None:
    async with running_device() as device, open_transport(config(device)) as transport:
        await connected(transport, device)

        replies = await run_all(transport, [f":put {i}" for i in range(100)])

    assert [r.text.strip() for r in replies if isinstance(r, Reply)] == [str(i) for i in range(100)]
    assert (transport.commands, transport.round_trips) == (100, 8)


async def test_with_batches_switched_off_each_has_its_own_round_trip() -> None:
    async with (
        running_device() as device,
        open_transport(config(device, batch=BatchLimits(commands=1))) as transport,
    ):
        await run_all(transport, [f":put {i}" for i in range(20)])

    assert transport.round_trips == 20


async def test_an_error_in_a_batch_is_the_error_of_its_own_command() -> None:
    lines = [f":put {i}" for i in range(10)]
    lines[3] = ':error "failure: not enough space"'
    async with (
        running_device() as device,
        open_transport(config(device, max_sessions=1)) as transport,
    ):
        await connected(transport, device)

        replies = await run_all(transport, lines)

    texts = [reply.text.strip() for reply in replies if isinstance(reply, Reply)]
    assert texts[3] == "failure: not enough space"
    assert [texts[i] for i in range(10) if i != 3] == [str(i) for i in range(10) if i != 3]


async def test_a_line_that_cannot_be_parsed_does_not_take_the_others_with_it() -> None:
    lines = [f":put {i}" for i in range(6)]
    lines[2] = "/disk/frobnicate"
    async with (
        running_device() as device,
        open_transport(config(device, max_sessions=1)) as transport,
    ):
        await connected(transport, device)

        replies = await run_all(transport, lines)

    texts = [reply.text.strip() for reply in replies if isinstance(reply, Reply)]
    assert texts[2].startswith("bad command name frobnicate")
    assert [texts[i] for i in (0, 1, 3, 4, 5)] == ["0", "1", "3", "4", "5"]


async def test_a_connection_that_dies_under_a_batch_leaves_the_outcome_of_each_open() -> None:
    async with (
        running_device() as device,
        open_transport(config(device, max_sessions=1)) as transport,
    ):
        await connected(transport, device)
        device.faults.add(Fault(Action.DROP_AFTER))

        replies = await run_all(transport, [f":put {i}" for i in range(5)])

    assert all(isinstance(reply, ConnectionLost) for reply in replies)


async def test_equal_questions_that_wait_share_one_answer_and_changes_do_not() -> None:
    async with running_device() as device, open_transport(config(device)) as transport:
        await connected(transport, device)

        asked = await run_all(transport, [":put same"] * 50, changes=False)
        changed = await run_all(transport, [":put same"] * 3)

    assert {reply.text for reply in asked if isinstance(reply, Reply)} == {"same\r\n"}
    assert len(asked) == 50
    assert len(changed) == 3
    assert transport.commands == 1 + 3


async def test_a_question_asked_after_another_was_sent_is_asked_anew() -> None:
    async with running_device() as device, open_transport(config(device)) as transport:
        await connected(transport, device)
        device.faults.add(Fault(Action.DELAY, "same", amount=0.05))
        question = Command(":put same")

        first = asyncio.create_task(transport.run(question))
        while not transport.round_trips:  # noqa: ASYNC110 (until it is sent)
            await asyncio.sleep(0)
        await transport.run(question)
        await first

    assert transport.round_trips == 2


async def test_one_who_leaves_does_not_take_a_shared_question_away() -> None:
    async with (
        running_device() as device,
        open_transport(config(device, max_sessions=1)) as transport,
    ):
        await connected(transport, device)
        question = Command(":put same")
        tasks = [asyncio.create_task(transport.run(question)) for _ in range(3)]
        await asyncio.sleep(0)

        tasks[0].cancel()
        replies = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(replies[0], asyncio.CancelledError)
    assert [r.text for r in replies[1:] if isinstance(r, Reply)] == ["same\r\n"] * 2


async def test_commands_are_served_in_the_order_in_which_they_came() -> None:
    async with (
        running_device() as device,
        open_transport(config(device, max_sessions=1, batch=BatchLimits(commands=1))) as transport,
    ):
        await run_all(transport, [f":put {i}" for i in range(30)])

        assert device.mock.execs[-1].line == ":put 29"
        assert [e.line for e in device.execs if e.line[5:].isdigit()] == [
            f":put {i}" for i in range(30)
        ]


async def test_the_state_of_the_connection_can_be_followed() -> None:
    seen = []
    async with running_device() as device, open_transport(config(device)) as transport:
        async for status in transport.link.watch():
            seen.append((status.state, status.epoch))
            if status.state is LinkState.UP and status.epoch == 1:
                device.mock.drop_connections()
            if status.state is LinkState.UP and status.epoch == 2:
                break

    assert seen[-1] == (LinkState.UP, 2)
    assert (LinkState.UP, 1) in seen


async def test_while_the_device_is_away_nobody_waits() -> None:
    async with running_device() as gone:
        pass
    async with open_transport(config(gone)) as transport:
        replies = await run_all(transport, [f":put {i}" for i in range(20)])

    assert all(isinstance(reply, Unreachable) for reply in replies)
    assert transport.round_trips == 0


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_batch_that_was_cut_off_gives_whole_answers_only_to_those_that_are_whole(
    cut: int,
) -> None:
    whole = "".join(f"answer {i}\r\n{NEXT}\r\n" for i in range(4))

    answers = split_answers(whole[:cut], 4)

    assert answers is not None
    assert len(answers) == 4
    complete = whole[:cut].count(f"{NEXT}\r")
    assert [a.strip() for a in answers[:complete]] == [f"answer {i}" for i in range(complete)]


def test_what_is_slow_or_long_is_not_put_together_without_bound() -> None:
    limits = BatchLimits(commands=16, characters=1000, seconds=5)
    slow = [Command("x", seconds=3)] * 10
    long = [Command("x" * 400)] * 10

    assert limits.count(slow, 1) == 1
    assert limits.count(long, 1) == 2
    assert limits.count([Command("x")] * 100, 1) == 16
    assert limits.count([Command("x")] * 100, 50) == 2
    assert limits.count([Command("x")], 8) == 1


def test_a_command_alone_goes_out_as_it_is() -> None:
    assert join_commands([Command("/disk/print")]) == "/disk/print"
