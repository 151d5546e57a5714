"""Each metric of the connection to a device, moved by its real cause."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from libs.core.errors import RdsCsiError
from libs.mockrds.faults import Action, Fault
from libs.mockrds.latency import fixed
from libs.mockrds.testing import RunningDevice, running_device
from libs.ops.metrics import Metrics
from libs.rdsclient.client import RdsClient, open_rds
from services.controller.adapters.device_counts import DeviceCounts
from tests.component.rdsclient.test_transport import config
from tests.unit.ops.scrape import parse_scrape
from tests.waiting import PATIENCE


@dataclass
class Rig:
    device: RunningDevice
    rds: RdsClient
    metrics: Metrics

    def scrape(self) -> dict[str, float]:
        families = parse_scrape(self.metrics.render()[0].decode())
        return {
            " ".join([name.removeprefix("rds_csi_rds_"), *(value for _, value in labels)]): number
            for family in families.values()
            for (name, labels), number in family.samples.items()
        }

    async def until(self, true: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        async with asyncio.timeout(PATIENCE):
            while not true(self.scrape()):  # noqa: ASYNC110 (a scrape tells nobody)
                await asyncio.sleep(0.01)
        return self.scrape()


@contextlib.asynccontextmanager
async def open_rig(sessions: int = 8) -> AsyncIterator[Rig]:
    metrics = Metrics()
    observer = DeviceCounts(metrics).observer("rds-1")
    async with (
        running_device() as device,
        open_rds(config(device, max_sessions=sessions), observer) as rds,
    ):
        yield Rig(device, rds, metrics)


def test_before_there_is_a_connection_it_is_down_and_nothing_is_missing() -> None:
    metrics = Metrics()
    DeviceCounts(metrics).observer("rds-1")

    families = parse_scrape(metrics.render()[0].decode())

    down = {"connection_state", "reconnect_total", "channels_in_flight", "round_trips_total"}
    for name in down:
        assert list(families[f"rds_csi_rds_{name}"].samples.values()) == [0]


async def test_the_state_follows_the_connection_and_reconnects_are_counted() -> None:
    async with open_rig() as rig:
        await rig.rds.read_features()
        up = rig.scrape()
        async with rig.device.mock.restarting():
            down = await rig.until(lambda now: now["connection_state rds-1"] == 0)
        again = await rig.until(lambda now: now["reconnect_total rds-1"] == 1)

    assert up["connection_state rds-1"] == 1
    assert down["reconnect_total rds-1"] == 0
    assert again["connection_state rds-1"] == 1
    assert again["reconnect_duration_seconds_count rds-1"] == 1
    assert 0 < again["reconnect_duration_seconds_sum rds-1"] < 20


async def test_commands_are_counted_by_verb_and_result_with_their_time() -> None:
    async with open_rig() as rig:
        await rig.rds.read_features()
        rig.device.mock.latency = fixed(0.05)
        await rig.rds.list_disks(("pvc-",))
        rig.device.faults.add(Fault(Action.ERROR, "/disk/print", text="failure: broken"))
        with pytest.raises(RdsCsiError):
            await rig.rds.list_disks(("pvc-",))
        now = rig.scrape()

    assert now["commands_total list_disks rds-1 ok"] == 1
    assert now["commands_total list_disks rds-1 refused"] == 1
    assert now["command_duration_seconds_count list_disks rds-1"] == 2
    assert now["command_duration_seconds_sum list_disks rds-1"] >= 0.1


async def test_channels_are_in_flight_while_the_device_takes_its_time() -> None:
    async with open_rig() as rig:
        await rig.rds.read_features()
        rig.device.faults.add(Fault(Action.HANG, "/disk/print", count=3))
        asking = [asyncio.create_task(rig.rds.list_disks((f"pvc-{i}",))) for i in range(3)]

        await rig.until(lambda now: now["channels_in_flight rds-1"] == 3)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

        await rig.until(lambda now: now["channels_in_flight rds-1"] == 0)


async def test_waits_for_a_channel_are_measured() -> None:
    async with open_rig(sessions=1) as rig:
        await rig.rds.read_features()
        before = rig.scrape()
        rig.device.faults.add(Fault(Action.HANG, "/disk/print"))
        taking = asyncio.create_task(rig.rds.list_disks(("pvc-",)))
        await rig.until(lambda now: now["channels_in_flight rds-1"] == 1)
        waiting = asyncio.create_task(rig.rds.list_pool_disks("raid10"))
        await asyncio.sleep(0.2)  # this is what is measured
        taking.cancel()
        await asyncio.wait({taking})
        await waiting
        after = rig.scrape()

    name = "queue_wait_seconds_{} rds-1"
    assert after[name.format("count")] - before[name.format("count")] == 2
    assert after[name.format("sum")] - before[name.format("sum")] >= 0.1


async def test_round_trips_are_fewer_than_commands_where_commands_share_them() -> None:
    async with open_rig(sessions=1) as rig:
        await rig.rds.read_features()
        before = rig.scrape()
        await asyncio.gather(*(rig.rds.list_disks((f"pvc-{i}",)) for i in range(10)))
        after = rig.scrape()

    name = "round_trips_total rds-1"
    assert after["commands_total list_disks rds-1 ok"] == 10
    assert 1 <= after[name] - before[name] < 10


async def test_no_name_and_no_line_of_a_command_becomes_a_label() -> None:
    async with open_rig() as rig:
        await rig.rds.read_features()
        await rig.rds.list_disks(("pvc-very-secret",))
        text = rig.metrics.render()[0].decode()

    assert "very-secret" not in text
    assert "/disk" not in text
