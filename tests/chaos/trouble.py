"""Has the faults of a schedule happen, and undoes them when their time is over."""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp

from tests.chaos.clocks import COMPILER, set_clock
from tests.chaos.house import House
from tests.chaos.programs import Program
from tests.chaos.schedule import Fault, Kind

T = TypeVar("T")

_HANGING = ("GET /api", "PATCH /api", "POST /api", "DELETE /api")
_SLOW_API, _SLOW_DEVICE, _USUAL_DEVICE = 0.2, 0.3, 0.002


@dataclass
class Trouble:
    """What goes wrong in a house.

    Attributes:
        house: where.
        spares_from: seconds after which the last process of each sort is left alone, so that it
            lives for long enough to see whether it grows.
        done: how often each kind of fault happened.
        skipped: and was drawn, and did not: the same went wrong already, or it cannot here.
        log: each that happened, as a line.
    """

    house: House
    spares_from: float = math.inf
    done: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)
    _under_way: set[str] = field(default_factory=set)

    async def run(self, faults: Sequence[Fault]) -> None:
        """Have all of them happen, each at its time; return when the last is undone."""
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                # The pace of the schedule: nothing is waited for.
                await asyncio.sleep(max(0.0, fault.at - self.house.now))
                group.create_task(self._happen(fault))
        await self.calm()

    async def calm(self) -> None:
        """Let nothing go wrong any more."""
        house = self.house
        await house.tell_device("/faults", method="DELETE")
        await house.tell_device("/settings", {"full": False, "latency": _USUAL_DEVICE})
        await house.tell_kube("/faults", method="DELETE")

    async def _happen(self, fault: Fault) -> None:
        how = f" ({fault.how})" if fault.kind is Kind.REPLY else ""
        name = f"{fault.kind.value}{how}"
        key = self._key(fault)
        if key in self._under_way or (fault.kind is Kind.CLOCK and COMPILER is None):
            self.skipped[name] += 1
            return
        if key:
            self._under_way.add(key)
        self.done[name] += 1
        self.log.append(f"{self.house.now:7.2f} s for {fault}")
        try:
            await _DEEDS[fault.kind](self, fault)
        finally:
            self._under_way.discard(key)

    def _key(self, fault: Fault) -> str:
        """Return what may go wrong only once at a time."""
        if fault.kind in {Kind.REPLY, Kind.OTHER_REPLICA, Kind.SKEW, Kind.CLOCK}:
            return ""
        if fault.kind in {Kind.KILL_DEVICE, Kind.RESTART_DEVICE}:
            return "device"
        if fault.kind is Kind.KILL_NODE:
            return f"node {self._of(fault, self.house.machines).name}"
        if fault.kind is Kind.KILL_CONTROLLER:
            return self._of(fault, self.house.controllers).name
        if fault.kind is Kind.KILL_RECONCILER:
            return self._of(fault, self.house.reconcilers).name
        return fault.kind.value

    def _of(self, fault: Fault, some: Sequence[T]) -> T:
        """Return whom a fault befalls."""
        befallen = some if fault.at < self.spares_from else some[:-1]
        return befallen[fault.which % len(befallen)]

    # The deeds

    async def _again(self, program: Program, seconds: float) -> None:
        async with program.lock:
            await program.kill()
            await asyncio.sleep(seconds)  # as long as it is away
            await program.start()

    async def kill_controller(self, fault: Fault) -> None:
        controller = self._of(fault, self.house.controllers)
        if controller is self.house.controllers[self.house.turn]:
            self.house.turn = 1 - self.house.turn  # the other's sidecars lead now
        await self._again(controller, fault.seconds)

    async def kill_node(self, fault: Fault) -> None:
        machine = self._of(fault, self.house.machines)
        async with machine.program.lock:
            if machine.is_off:
                return
            await machine.program.kill()
            await asyncio.sleep(fault.seconds)  # as long as it is away
            await machine.program.start()

    async def kill_reconciler(self, fault: Fault) -> None:
        await self._again(self._of(fault, self.house.reconcilers), fault.seconds)

    async def kill_device(self, fault: Fault) -> None:
        await self._again(self.house.device, fault.seconds)

    async def other_replica(self, _: Fault) -> None:
        self.house.turn = 1 - self.house.turn

    async def reply(self, fault: Fault) -> None:
        body = {"action": fault.how, "amount": fault.amount, "pattern": fault.pattern}
        await self._device("/faults", body)

    async def restart_device(self, fault: Fault) -> None:
        await self._device("/restart", {"seconds": fault.seconds})

    async def slow_device(self, fault: Fault) -> None:
        await self._device("/settings", {"latency": _SLOW_DEVICE})
        await asyncio.sleep(fault.seconds)  # as long as it is slow
        await self._device("/settings", {"latency": _USUAL_DEVICE})

    async def fill_pool(self, fault: Fault) -> None:
        await self._device("/settings", {"full": True})
        await asyncio.sleep(fault.seconds)  # as long as it is full
        await self._device("/settings", {"full": False})

    async def api_away(self, fault: Fault) -> None:
        await self.house.tell_kube("/restart", {"seconds": fault.seconds})

    async def api_hangs(self, fault: Fault) -> None:
        await self._api(fault, {"hanging": list(_HANGING)}, {"hanging": []})

    async def api_slow(self, fault: Fault) -> None:
        await self._api(fault, {"slow": _SLOW_API}, {"slow": 0})

    async def api_broken(self, fault: Fault) -> None:
        await self._api(fault, {"broken": [500, "etcd is gone"]}, {"broken": None})

    async def api_loses(self, _: Fault) -> None:
        await self.house.tell_kube("/faults", {"lost": 2})

    async def api_forgets(self, fault: Fault) -> None:
        await self.house.tell_kube("/forget")
        if fault.which % 2:
            await self.house.tell_kube("/cut-watches")

    async def _api(self, fault: Fault, begin: Mapping[str, object], end: object) -> None:
        await self.house.tell_kube("/faults", begin)
        await asyncio.sleep(fault.seconds)  # as long as it lasts
        await self.house.tell_kube("/faults", end)

    async def lose_node(self, fault: Fault) -> None:
        """Switch a node off, tell the cluster, and have it back some seconds later."""
        machine, cluster = self._of(fault, self.house.machines), self.house.cluster
        async with machine.program.lock:
            await machine.switch_off()
            self.house.promises.node_off(machine.name)
            if fault.how == "deleted":
                await cluster.delete_node(machine.name)
            else:
                await cluster.take_out_of_service(machine.name)
            await asyncio.sleep(fault.seconds)  # as long as it is off
            await cluster.add_node(machine.name)
            await machine.switch_on()

    async def skew(self, fault: Fault) -> None:
        await self.house.cluster.skew(fault.how)

    async def set_clock(self, fault: Fault) -> None:
        """Set a process's clock; it stays so, until it is set again."""
        set_clock(self._of(fault, self.house.programs).clock, fault.amount)

    async def _device(self, path: str, body: object) -> None:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # it may be dead just now
            await self.house.tell_device(path, body)


_Deed = Callable[[Trouble, Fault], Awaitable[None]]

_DEEDS: Mapping[Kind, _Deed] = {
    Kind.KILL_CONTROLLER: Trouble.kill_controller,
    Kind.KILL_NODE: Trouble.kill_node,
    Kind.KILL_RECONCILER: Trouble.kill_reconciler,
    Kind.KILL_DEVICE: Trouble.kill_device,
    Kind.OTHER_REPLICA: Trouble.other_replica,
    Kind.REPLY: Trouble.reply,
    Kind.RESTART_DEVICE: Trouble.restart_device,
    Kind.SLOW_DEVICE: Trouble.slow_device,
    Kind.FULL_POOL: Trouble.fill_pool,
    Kind.API_AWAY: Trouble.api_away,
    Kind.API_HANGS: Trouble.api_hangs,
    Kind.API_SLOW: Trouble.api_slow,
    Kind.API_BROKEN: Trouble.api_broken,
    Kind.API_LOSES: Trouble.api_loses,
    Kind.API_FORGETS: Trouble.api_forgets,
    Kind.LOSE_NODE: Trouble.lose_node,
    Kind.SKEW: Trouble.skew,
    Kind.CLOCK: Trouble.set_clock,
}
