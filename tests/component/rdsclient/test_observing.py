"""Who observes a client is told what it does, and never what it says."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from libs.core.errors import RdsCsiError
from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.size import MIB
from libs.mockrds.faults import Action, Fault
from libs.mockrds.latency import fixed
from libs.mockrds.testing import running_device
from libs.rdsclient.client import open_rds
from libs.rdsclient.model import DiskSpec
from libs.rdsclient.observer import RESULTS, result_of
from tests.component.rdsclient.test_transport import config
from tests.waiting import PATIENCE

SPEC = DiskSpec(
    Slot.parse("pvc-1"),
    DevicePath.parse("/raid10/pvc-1.img"),
    MIB,
    Nqn("nqn.2000-02.com.mikrotik:pvc-1"),
    4420,
)


@dataclass
class Notes:
    """What an observer was told; an event a note."""

    links: list[bool] = field(default_factory=list)
    reconnects: list[float] = field(default_factory=list)
    commands: list[tuple[str, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    round_trips: int = 0
    channels: list[int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def connection_changed(self, *, is_up: bool) -> None:
        self.links.append(is_up)
        self.changed.set()

    def reconnected(self, seconds: float) -> None:
        self.reconnects.append(seconds)
        self.changed.set()

    def command_ended(self, command: str, result: str, seconds: float) -> None:
        self.commands.append((command, result))
        self.seconds.append(seconds)
        self.changed.set()

    def command_sent(self, waited: float) -> None:
        self.waits.append(waited)

    def round_trip_begun(self) -> None:
        self.round_trips += 1

    def channels_changed(self, count: int) -> None:
        self.channels.append(count)
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not true():
                self.changed.clear()
                await self.changed.wait()


async def test_a_command_is_known_by_its_verb_and_its_end() -> None:
    notes = Notes()
    async with running_device() as device, open_rds(config(device), notes) as rds:
        await rds.ensure_disk(SPEC)
        device.faults.add(Fault(Action.ERROR, "/file/print", text="failure: not allowed (9)"))
        with pytest.raises(RdsCsiError):
            await rds.list_files(DevicePath.parse("/raid10"))

    assert ("ensure_disk", "ok") in notes.commands
    assert ("list_files", "refused") in notes.commands
    assert ("read_system", "ok") in notes.commands
    assert {result for _, result in notes.commands} <= set(RESULTS)


async def test_the_time_of_a_command_is_that_of_its_caller() -> None:
    notes = Notes()
    async with running_device() as device, open_rds(config(device), notes) as rds:
        await rds.read_features()
        device.mock.latency = fixed(0.1)
        await rds.list_disks(("pvc-",))

    assert notes.seconds[-1] >= 0.1


async def test_a_caller_that_leaves_is_told_apart_from_a_failure() -> None:
    notes = Notes()
    async with running_device() as device, open_rds(config(device), notes) as rds:
        await rds.read_features()
        device.faults.add(Fault(Action.HANG, "/disk/print"))
        asking = asyncio.create_task(rds.list_disks(("pvc-",)))
        await notes.until(lambda: notes.round_trips > 1)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

    assert notes.commands[-1] == ("list_disks", "cancelled")


async def test_a_connection_that_is_lost_and_found_is_a_reconnect_and_the_first_is_none() -> None:
    notes = Notes()
    async with running_device() as device, open_rds(config(device), notes) as rds:
        await rds.read_features()
        assert (notes.links, notes.reconnects) == ([True], [])

        device.mock.drop_connections()
        await notes.until(lambda: bool(notes.reconnects))

    assert notes.links == [True, False, True, False]
    assert len(notes.reconnects) == 1
    assert 0 <= notes.reconnects[0] < 20


async def test_a_reconnect_takes_as_long_as_the_device_was_away() -> None:
    notes = Notes()
    async with running_device() as device, open_rds(config(device), notes) as rds:
        await rds.read_features()

        await device.restart(0.3)
        await notes.until(lambda: bool(notes.reconnects))

    assert notes.reconnects[0] >= 0.3


async def test_waits_channels_and_round_trips_are_told_as_they_are() -> None:
    notes = Notes()
    async with (
        running_device() as device,
        open_rds(config(device, max_sessions=1), notes) as rds,
    ):
        await rds.read_features()
        notes.waits.clear()
        device.mock.latency = fixed(0.1)
        await asyncio.gather(*(rds.list_disks((f"pvc-{i}",)) for i in range(2)))
        await rds.list_pool_disks("raid10")
        round_trips = rds.round_trips
        await notes.until(lambda: notes.channels[-1] == 0)

    assert notes.round_trips == round_trips
    assert max(notes.channels) == 1
    assert len(notes.waits) == 3


async def test_one_that_waits_for_a_channel_waited_as_long_as_it_was_taken() -> None:
    notes = Notes()
    async with (
        running_device() as device,
        open_rds(config(device, max_sessions=1), notes) as rds,
    ):
        await rds.read_features()
        device.faults.add(Fault(Action.HANG, "/disk/print"))
        taking = asyncio.create_task(rds.list_disks(("pvc-",)))
        await notes.until(lambda: notes.channels[-1] == 1)
        waiting = asyncio.create_task(rds.list_pool_disks("raid10"))
        await asyncio.sleep(0.2)  # this is what is measured
        taking.cancel()
        await asyncio.wait({taking})
        await waiting

    assert notes.waits[-1] >= 0.15


def test_every_family_of_errors_has_a_result() -> None:
    for family in RdsCsiError.__subclasses__():
        assert result_of(family("it failed")) in RESULTS
    assert result_of(ValueError()) == "fault"
    assert result_of(asyncio.CancelledError()) == "cancelled"
    assert result_of(None) == "ok"
