"""Looking at everything, or only at what is quickly seen, and deciding."""

import asyncio
from dataclasses import replace

from services.reconciler.findings import ActionKind, Decision, FindingKind
from services.reconciler.inventory import Seen
from services.reconciler.memory import Memory
from services.reconciler.model import DeviceListing, Listing
from services.reconciler.plan.decide import decide_steps
from services.reconciler.ports import Clock, Cluster, Controller
from services.reconciler.rules import Rules

_NOT_LISTED = "they are not listed in a pass for an event"
_UNREADABLE = f"{FindingKind.UNREADABLE.value}-"


class Lookout:
    """Reads what there is, and decides. It changes nothing.

    Args:
        controller: the controller.
        cluster: the cluster.
        clock: the time.
        rules: what decides.
    """

    def __init__(
        self, controller: Controller, cluster: Cluster, clock: Clock, rules: Rules
    ) -> None:
        self._controller = controller
        self._cluster = cluster
        self._clock = clock
        self._rules = rules

    async def survey(self) -> Seen:
        """Read everything. The devices come first: what refers to their items is then seen."""
        devices = await self._controller.inventory()
        return await self._see(devices, devices.read_at)

    async def refresh(self, seen: Seen) -> Seen:
        """Read everything but the devices anew: something was done since it was read."""
        return await self._see(seen.devices, seen.devices.read_at)

    async def glance(self) -> Seen:
        """Read what is quickly read: all but what is on the devices."""
        devices: Listing[DeviceListing] = Listing(
            (), complete=False, read_at=self._clock.now(), error=_NOT_LISTED
        )
        return await self._see(devices, 0.0)

    async def _see(self, devices: Listing[DeviceListing], not_before: float) -> Seen:
        views, cluster = await asyncio.gather(
            self._controller.views(), self._cluster.view(not_before)
        )
        return Seen(
            nodes=cluster.nodes,
            attachments=cluster.attachments,
            volumes=cluster.volumes,
            contents=cluster.contents,
            devices=devices,
            views=views,
        )

    async def judge(self, seen: Seen, memory: Memory) -> Decision:
        """Decide from what was seen; others have their turn meanwhile.

        What a quick look cannot tell is left out.
        """
        decision = None
        for step in decide_steps(seen, memory, self._rules, self._clock.now()):
            decision = step
            if step is None:
                await asyncio.sleep(0)
        if decision is None:
            raise AssertionError("the last step is the decision")
        if seen.devices.error == _NOT_LISTED:
            decision = _without_devices(decision, memory)
        return decision


def _without_devices(decision: Decision, memory: Memory) -> Decision:
    """Leave out of a decision that the devices were not listed, which was not even tried."""
    left_out = {
        finding.id
        for finding in decision.findings
        if finding.kind is FindingKind.UNREADABLE and _NOT_LISTED in finding.reason
    }
    sights = {k: at for k, at in decision.memory.first_seen.items() if k not in left_out}
    # What could not be read in the last full pass may be so still.
    sights |= {k: at for k, at in memory.first_seen.items() if k.startswith(_UNREADABLE)}
    return replace(
        decision,
        findings=tuple(f for f in decision.findings if f.id not in left_out),
        actions=tuple(a for a in decision.actions if a.kind is not ActionKind.DELETE_ORPHAN),
        memory=replace(decision.memory, first_seen=sights),
        incomplete=tuple(why for why in decision.incomplete if _NOT_LISTED not in why),
    )
