"""The simulated hardware, as people set it: by the control API and on the command line."""

import json

import aiohttp
import pytest

from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.hardware import Drive, Hardware
from libs.mockrds.interpreter import Interpreter
from tests.component.mockrds.test_process import start


def device() -> Device:
    hardware = Hardware(drives=[Drive(slot="nvme1")])
    return Device([Pool("raid10", 2**40)], hardware=hardware)


def say(line: str, state: Device | None = None) -> str:
    return Interpreter(state or device()).run(line)[0]


async def test_the_control_api_sets_drives_loads_and_sensors() -> None:
    given = {
        "drives": {"nvme2": {"temperature": 71}},
        "loads": {"raid10": {"read_ops": 90}},
        "sensors": {"fan1": 0, "psu2_failed": True},
    }
    async with (
        start("--password=secret", "--drives=1") as mock,
        aiohttp.ClientSession(mock.ready["control"], raise_for_status=True) as api,
        mock.connect() as connection,
    ):
        await api.post("/hardware", json=given)
        await api.post("/pool", json={"name": "raid10", "state": "degraded"})
        state = await (await api.get("/hardware")).json()
        listed = await connection.run("/disk/print detail")
        traffic = await connection.run("/disk/monitor-traffic raid10 once")

    assert [drive["slot"] for drive in state["drives"]] == ["nvme1", "nvme2"]
    assert (state["sensors"]["fan1"], state["sensors"]["psu2_failed"]) == (0, True)
    assert 'temperature="71C"' in listed.stdout
    assert 'state="degraded"' in listed.stdout
    assert "read-ops-per-second: 90" in traffic.stdout


@pytest.mark.parametrize(
    "body",
    [
        {"fans": {}},
        {"drives": []},
        {"drives": {"nvme1": {"colour": 1}}},
        {"drives": {"nvme1": {"slot": "nvme9"}}},
        {"loads": {"raid10": 7}},
        {"sensors": {"fan1": "fast"}},
        {"sensors": {"fan1": True}},
        {"sensors": {"fan1": 2**70}},
    ],
)
async def test_what_the_control_api_does_not_know_is_refused_and_nothing_changed(
    body: dict[str, object],
) -> None:
    async with (
        start("--password=secret", "--drives=1") as mock,
        aiohttp.ClientSession(mock.ready["control"]) as api,
    ):
        before = await (await api.get("/hardware")).json()
        async with api.post("/hardware", json={"sensors": {"fan2": 1}, **body}) as answer:
            status = answer.status
        after = await (await api.get("/hardware")).json()

    assert status == 400
    assert after == before


async def test_an_agent_is_started_only_where_it_is_asked_for() -> None:
    async with start("--password=secret") as mock:
        without = mock.ready["snmp"]
    async with start("--password=secret", "--snmp=127.0.0.1:0") as mock:
        with_one = mock.ready["snmp"]

    assert without is None
    assert int(with_one.removeprefix("127.0.0.1:")) > 0


def test_traffic_is_printed_as_it_was_recorded() -> None:
    lines = say("/disk/monitor-traffic raid10 once").splitlines()

    assert "slot: raid10" in lines[0]
    assert "           write-rate: 12.8Mbps" in lines


def test_a_drive_says_how_it_is_and_an_array_cannot() -> None:
    assert "percentage-used: 3%" in say("/disk/smart-info nvme1")
    assert say("/disk/smart-info raid10").startswith("failure:")
    assert say("/disk/smart-info nvme7").startswith("input does not match")


def test_smart_info_came_with_7_23() -> None:
    state = device()
    state.version = "7.22.1 (stable)"

    assert say("/disk/smart-info nvme1", state).startswith("bad command name smart-info")


def test_what_smart_says_is_listed_or_not() -> None:
    state = device()
    listed = say("/disk/print detail", state)
    state.hardware.change({"drives": {"nvme1": {"is_listed": False}}})

    assert "percentage-used" in listed
    assert "percentage-used" not in say("/disk/print detail", state)


def test_a_drive_that_was_pulled_is_listed_no_more() -> None:
    state = device()
    state.hardware.change({"drives": {"nvme1": None}})

    assert "nvme1" not in say("/disk/print detail", state)
    assert json.dumps(state.hardware.describe()["drives"]) == "[]"
