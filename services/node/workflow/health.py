"""Looking after the volumes that are staged: what went stale is repaired, if nothing uses it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import structlog

from libs.core.errors import Busy, InUse, RdsCsiError
from libs.core.ids import VolumeId
from libs.csikit.keylock import KeyedTasks
from libs.nvmeof.errors import HostHangs
from services.node.plan.breaker import BreakerOpen
from services.node.plan.condition import Condition, judge
from services.node.ports import Reason
from services.node.volume import Record
from services.node.workflow.converge import Convergence
from services.node.workflow.desk import Desk
from services.node.workflow.guard import Guard
from services.node.workflow.observe import observe
from services.node.workflow.revoked import Questions, check_ours, drop_revoked

log = structlog.get_logger(__name__)

_AT_ONCE = 4
"""Volumes that are looked at, or repaired, at the same time."""


class Health:
    """Knows how each volume does, and repairs what can be.

    Args:
        desk: the outside.
        guard: circuit breakers.
        tasks: what keeps repairs and calls for one volume apart.
    """

    def __init__(self, desk: Desk, guard: Guard, tasks: KeyedTasks) -> None:
        self._desk = desk
        self._guard = guard
        self._tasks = tasks
        self._last: dict[VolumeId, Condition] = {}
        self._verified: set[VolumeId] = set()
        """The cluster has said that they are this node's, and they were in order ever since."""
        self._failures: dict[VolumeId, str] = {}

    async def judge(self, record: Record) -> Condition:
        """Return how a volume does now; a host that does not say is a condition like others."""
        try:
            seen = await observe(self._desk, record)
        except HostHangs as error:
            return Condition(f"the filesystem does not answer: {error.message}")
        except RdsCsiError as error:
            return Condition(f"it cannot be told how the volume does: {error.message}")
        return judge(record, seen, self._guard.why_open(record.volume))

    async def check_all(self) -> None:
        """Look at every volume of this node once, and repair what is stale."""
        volumes = [each.volume for each in self._desk.records.all()]
        # Of a cluster that answers some questions only, no volume must be the last for ever.
        random.shuffle(volumes)
        questions = Questions(self._desk)
        few = asyncio.Semaphore(_AT_ONCE)

        async def check(volume: VolumeId) -> None:
            async with few:
                record = self._desk.records.get(volume)
                if record is not None and record.boot == self._desk.boot:
                    await self.check(record, questions)

        async with asyncio.TaskGroup() as group:
            for volume in volumes:
                group.create_task(check(volume))
        for volume in self._last.keys() - set(volumes):
            self._last.pop(volume, None)
            self._failures.pop(volume, None)
        self._verified &= set(volumes)

    async def check(self, record: Record, questions: Questions | None = None) -> Condition:
        """Look at one volume, tell what has changed, and repair it if that can be done."""
        condition = await self.judge(record)
        if await self._was_revoked(record, condition, questions or Questions(self._desk)):
            condition = Condition(
                "the volume was taken from this node, and another node may have it", stale=True
            )
            self._tell(record, condition)
            await self._drop(record)
        else:
            self._tell(record, condition)
            if condition.repairable:
                condition = await self._repair(record, condition)
        self._last[record.volume] = condition
        return condition

    async def _was_revoked(
        self, record: Record, condition: Condition, questions: Questions
    ) -> bool:
        """Whether a volume was taken from this node, which only its absence may have hidden.

        It is asked until the cluster answers after the volume came back: the disk may be there
        again before the cluster is, and what was before this process started nobody here has seen.
        """
        volume = record.volume
        if condition.abnormal:
            self._verified.discard(volume)
        if volume in self._verified:
            return False
        revoked = await questions.was_revoked(record)
        if revoked is False and not condition.abnormal:
            self._verified.add(volume)
        return bool(revoked)

    async def _drop(self, record: Record) -> None:
        async def drop() -> None:
            now = self._desk.records.get(record.volume)
            if now == record:
                await drop_revoked(self._desk, record)

        try:
            await self._tasks.run(record.volume.text, drop)
        except Busy:
            pass  # a call has it in hand: the next round sees
        except RdsCsiError as error:
            self._say_failure(record.volume, error)

    def _tell(self, record: Record, condition: Condition) -> None:
        before = self._last.get(record.volume)
        if before is not None and before.text == condition.text:
            return
        if condition.abnormal:
            log.warning("volume is not in order", volume=record.volume.text, why=condition.text)
            if condition.stale:
                self._desk.counts.stale()
            reason = Reason.STALE_MOUNT if condition.stale else Reason.CONNECTION_LOST
            self._desk.cluster.tell(record.volume, reason, condition.text)
        elif before is not None and before.abnormal:
            log.info("volume is in order again", volume=record.volume.text)
            self._desk.cluster.tell(record.volume, Reason.CONNECTION_RESTORED, condition.text)

    async def _repair(self, record: Record, condition: Condition) -> Condition:
        volume = record.volume
        try:
            if not await self._attempt_all(volume):
                return condition
        except (Busy, BreakerOpen):
            return condition  # a call has it in hand, or it is left alone: the next round sees
        except RdsCsiError as error:
            self._desk.counts.recovered(ok=False)
            self._say_failure(volume, error)
            return await self.judge(record)
        self._failures.pop(volume, None)
        self._desk.counts.recovered(ok=True)
        self._desk.cluster.tell(volume, Reason.RECOVERED, f"repaired: {condition.text}")
        log.info("repaired", volume=volume.text, was=condition.text)
        return await self.judge(record)

    def _say_failure(self, volume: VolumeId, error: RdsCsiError) -> None:
        if self._failures.get(volume) != error.message:
            self._failures[volume] = error.message
            self._desk.cluster.tell(volume, Reason.RECOVERY_FAILED, error.message)
            log.warning("not repaired", volume=volume.text, why=str(error), detail=error.detail)

    async def _attempt_all(self, volume: VolumeId) -> bool:
        """Repair a volume, with pauses between the attempts; return whether there was any need.

        Between two attempts calls for the volume are let through.
        """
        for pause in self._desk.pauses:
            try:
                return await self._tasks.run(volume.text, lambda: self._attempt(volume))
            except (InUse, Busy, BreakerOpen):
                raise  # waiting a second does not end a pod
            except RdsCsiError as error:
                log.info("another attempt follows", volume=volume.text, why=error.message)
            await asyncio.sleep(pause)
        return await self._tasks.run(
            volume.text, lambda: self._guard.run(volume, lambda: self._attempt(volume))
        )

    async def _attempt(self, volume: VolumeId) -> bool:
        record = self._desk.records.get(volume)
        if record is None or record.boot != self._desk.boot:
            return False  # unstaged meanwhile
        desk = self._desk

        async def permit() -> None:
            await check_ours(desk, record)

        await permit()
        await Convergence(desk, record, grown=True, permit=permit).run()
        return True


@contextlib.asynccontextmanager
async def open_health(health: Health, seconds: float) -> AsyncIterator[None]:
    """Own the rounds over all volumes, one about every so many seconds."""
    task = asyncio.create_task(_go_round(health, seconds), name="health")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _go_round(health: Health, seconds: float) -> None:
    while True:
        # Nodes that start together must not ask together for ever.
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 (no secret)
        try:
            await health.check_all()
        except Exception:
            log.exception("a round over the volumes failed")
