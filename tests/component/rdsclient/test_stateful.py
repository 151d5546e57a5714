"""Client, simulator and faults beside a plain dictionary, with which they never disagree."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from libs.core.errors import OutcomeUnknown, RdsCsiError, Unreachable
from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.core.size import MIB
from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault
from libs.mockrds.files import Pool
from libs.mockrds.testing import PASSWORD, running_device
from libs.rdsclient.client import RdsClient, open_rds
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.model import DiskSpec

BASE = DevicePath.parse("/raid10/volumes")
POOL_SIZE = 256 * MIB

names = st.sampled_from([f"pvc-{name}" for name in "abcdef"])
sizes = st.sampled_from([16 * MIB, 32 * MIB, 128 * MIB])
faults = st.sampled_from(
    [
        Fault(Action.DROP_BEFORE),
        Fault(Action.DROP_AFTER),
        Fault(Action.TRUNCATE, amount=1),
        Fault(Action.TRUNCATE, amount=20),
        Fault(Action.TRUNCATE, amount=200),
        Fault(Action.GARBAGE),
        Fault(Action.DRIP, amount=7),
        Fault(Action.NO_STATUS),
        Fault(Action.ERROR, text="std failure: timeout"),
    ]
)


def spec(name: str, size: int) -> DiskSpec:
    slot = Slot.parse(name)
    return DiskSpec(
        slot, BASE.image_of(slot), size, Nqn.parse(f"nqn.2000-02.com.mikrotik:{name}"), 4420
    )


class DeviceMachine(RuleBasedStateMachine):
    """`promised` maps each slot to its size; `open` has the slots whose outcome is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.promised: dict[str, int] = {}
        self.open: dict[str, set[int | None]] = {}
        self.rds: RdsClient = self.runner.run(self._start())

    async def _start(self) -> RdsClient:
        device = Device([Pool("raid10", POOL_SIZE)])
        self.device = await self.stack.enter_async_context(running_device(device))
        config = RdsConfig(
            self.device.host,
            self.device.port,
            host_key=self.device.host_key,
            password=Secret(PASSWORD),
        )
        rds = await self.stack.enter_async_context(open_rds(config))
        await rds.read_system()
        return rds

    def _change(self, name: str, work: Any, wanted: int | None) -> None:
        """Ask for a change; remember what is promised, or what may now be there."""
        before = self._possible(name)
        try:
            state = self.runner.run(work)
        except OutcomeUnknown:
            self.open[name] = before | {wanted}
            self.promised.pop(name, None)
        except Unreachable:
            pass  # nothing was sent, so nothing has changed
        except RdsCsiError:
            self.open[name] = before
        else:
            self._settle(name, state.disk.size if state.disk else None)

    def _possible(self, name: str) -> set[int | None]:
        return self.open.get(name) or {self.promised.get(name)}

    def _settle(self, name: str, size: int | None) -> None:
        self.open.pop(name, None)
        self.promised.pop(name, None)
        if size is not None:
            self.promised[name] = size

    @rule(name=names, size=sizes)
    def create(self, name: str, size: int) -> None:
        self._change(name, self.rds.ensure_disk(spec(name, size)), size)

    @rule(name=names, size=sizes)
    def grow(self, name: str, size: int) -> None:
        possible = self._possible(name)
        largest = max((s for s in possible if s is not None), default=0)
        wanted = size if largest and size > largest else None
        work = self.rds.ensure_size(Slot.parse(name), size, max(size - largest, 0), BASE.pool)
        self._change(name, work, wanted or next(iter(possible)))

    @rule(name=names)
    def delete(self, name: str) -> None:
        wanted = spec(name, 0)
        self._change(name, self.rds.ensure_absent(wanted.slot, wanted.path), None)

    @rule(
        fault=faults, pattern=st.sampled_from(["/disk/add", "/disk/remove", "/disk/set", "print"])
    )
    def go_wrong(self, fault: Fault, pattern: str) -> None:
        self.device.faults.add(Fault(fault.action, pattern, 1, fault.text, fault.amount))

    @rule()
    def restart(self) -> None:
        self.device.mock.drop_connections()

    @precondition(lambda self: not self.device.faults.waiting)
    @rule()
    def list_all(self) -> None:
        try:
            disks = self.runner.run(self.rds.list_disks(("pvc-",)))
        except Unreachable:
            return
        listed = {disk.slot: disk.size for disk in disks}
        for name in {*listed, *self.promised}:
            assert listed.get(name) in self._possible(name)

    @invariant()
    def the_device_holds_what_was_promised(self) -> None:
        disks = {
            str(disk.properties["slot"]): disk.properties["file-size"]
            for disk in self.device.state.disks
        }
        for name in {*disks, *self.promised, *self.open}:
            assert disks.get(name) in self._possible(name), name
        files = {name.removeprefix("raid10/volumes/") for name in self.device.state.files}
        assert {f"{name}.img" for name in disks} <= files
        assert sum(self.device.state.files.values()) <= POOL_SIZE

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()


def test_client_and_device_agree_with_what_was_promised() -> None:
    run_state_machine_as_test(
        DeviceMachine,
        settings=settings(max_examples=20, stateful_step_count=30, deadline=None),
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_they_agree_over_thousands_of_steps() -> None:
    run_state_machine_as_test(
        DeviceMachine,
        settings=settings(max_examples=50, stateful_step_count=80, deadline=None),
    )
