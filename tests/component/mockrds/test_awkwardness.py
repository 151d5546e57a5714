"""The simulator in this process, at its worst."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import asyncssh
import pytest

from libs.core.size import GIB
from libs.mockrds.control import open_control
from libs.mockrds.faults import Action, Fault
from libs.mockrds.latency import fixed
from libs.mockrds.testing import RunningDevice, running_device

ADD = "/disk/add type=file slot={0} file-path=/raid10/{0}.img file-size=1G"


def connect(device: RunningDevice) -> Any:
    return asyncssh.connect(
        device.host,
        device.port,
        username=device.user + "+cet200w",
        password=device.password,
        client_keys=None,
        config=None,
        known_hosts=([asyncssh.import_public_key(device.host_key)], [], []),
    )


async def test_a_hundred_commands_at_once_are_each_done_exactly_once() -> None:
    async with running_device() as device, connect(device) as connection:
        device.mock.sessions = 100
        device.mock.latency = fixed(0.01)

        answers = await asyncio.gather(*(connection.run(ADD.format(i)) for i in range(100)))

    assert {answer.stdout for answer in answers} == {""}
    assert len(device.slots) == len(set(device.slots)) == len(device.history) == 100


async def test_what_was_sent_is_done_though_its_client_left_before_it_began() -> None:
    async with running_device() as device:
        device.mock.latency = fixed(0.05)
        connection = await connect(device)
        await connection.create_process(ADD.format("ghost"))
        connection.abort()

        await asyncio.gather(*device.mock.tasks)

    assert device.slots == ["ghost"]
    assert [entry.line for entry in device.history] == [ADD.format("ghost")]


async def test_what_had_not_begun_when_the_device_lost_power_is_not_done() -> None:
    async with running_device() as device:
        device.mock.latency = fixed(30)
        connection = await connect(device)
        await connection.create_process(ADD.format("lost"))
        tasks = list(device.mock.tasks)

        await device.restart()
        await connection.wait_closed()
        await asyncio.gather(*tasks, return_exceptions=True)

        device.mock.latency = fixed(0)
        async with connect(device) as again:
            assert (await again.run(":put back")).stdout == "back\r\n"
    assert device.slots == []


@pytest.mark.parametrize(
    ("fault", "printed", "status"),
    [
        (Fault(Action.ERROR, text="failure: no"), "failure: no\r\n", 0),
        (Fault(Action.TRUNCATE, amount=3), "who", 0),
        (Fault(Action.DELAY, amount=0.01), "whole\r\n", 0),
        (Fault(Action.DRIP, amount=2), "whole\r\n", 0),
        (Fault(Action.GARBAGE, text="noise"), "noise", 0),
        (Fault(Action.NO_STATUS), "whole\r\n", None),
        (Fault(Action.DROP_BEFORE), "", None),
        (Fault(Action.DROP_AFTER), "", None),
    ],
    ids=lambda value: value.action.value if isinstance(value, Fault) else "",
)
async def test_a_fault_spoils_one_answer(fault: Fault, printed: str, status: int | None) -> None:
    async with running_device() as device, connect(device) as connection:
        device.faults.add(fault)

        answer = await connection.run(":put whole")

    assert (answer.stdout, answer.exit_status) == (printed, status)
    assert device.faults.waiting == []


async def test_a_dropped_connection_tells_nothing_about_whether_the_change_was_made() -> None:
    async with running_device() as device:
        for action in (Action.DROP_BEFORE, Action.DROP_AFTER):
            device.faults.add(Fault(action))
            async with connect(device) as connection:
                await connection.run(ADD.format(action.value))

    assert device.slots == ["drop-after"]


async def test_a_refused_session_leaves_the_connection_as_it_was() -> None:
    async with running_device() as device, connect(device) as connection:
        device.faults.add(Fault(Action.REFUSE))

        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.run(":put a")

        assert (await connection.run(":put b")).stdout == "b\r\n"


async def test_the_history_says_who_asked_and_how_much_was_printed() -> None:
    async with running_device() as device, connect(device) as connection:
        await connection.run(":put a; /nothing")
        (entry,) = device.history

    assert entry.user == "rds-csi+cet200w"
    assert entry.size == len(f"{entry.error}\r\n")
    assert entry.error == "bad command name nothing (line 1 column 10)"
    assert entry.started > 0


async def test_the_state_outlives_the_device(tmp_path: Path) -> None:
    async with running_device(data=tmp_path) as first, connect(first) as connection:
        await connection.run(ADD.format("kept"))
    async with running_device(data=tmp_path) as second:
        assert second.slots == ["kept"]
        assert second.state.list_disks() == first.state.list_disks()
        assert second.state.files == first.state.files


async def test_pools_are_filled_and_taken_away_and_all_is_reset_over_http() -> None:
    async with (
        running_device() as device,
        open_control(device.mock, "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as api,
        connect(device) as connection,
    ):
        await connection.run(ADD.format("a"))
        statuses = [
            (await api.post("/pool", json=body)).status
            for body in (
                {"name": "raid10", "free": GIB},
                {"name": "none"},
                {"name": "raid10", "mounted": 1},
                {"name": "raid10", "colour": "red"},
            )
        ]
        two = (await connection.run(ADD.format("b") + "; " + ADD.format("c"))).stdout
        full = await (await api.get("/state")).json()
        await api.post("/reset")
        reset = await (await api.get("/state")).json()

    assert statuses == [204, 404, 400, 400]
    assert two == "failure: not enough space\r\n"
    assert (full["pools"][0]["free"], len(full["files"])) == (0, 2)
    assert (reset["files"], len(reset["disks"])) == ([], 1)
    assert device.history == []
