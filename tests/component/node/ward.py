"""A node plugin whose connections break on demand, in a cluster that keeps what it is told."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from libs.core.errors import Unreachable
from libs.core.ids import Nqn, Slot, VolumeId
from libs.csikit.keylock import open_keyed_tasks
from services.node.adapters.loop import LoopFabrics
from services.node.ports import Marks, Reason
from services.node.workflow.guard import Guard
from services.node.workflow.health import Health
from tests.component.node.hosts import clean_host
from tests.component.node.rig import NAME, PREFIX, NodeRig, open_rig
from tests.fakes.faulty_fabrics import FaultyFabrics
from tests.waiting import PATIENCE

NQN = Nqn.parse(f"{PREFIX}:{NAME}")
VOLUME = VolumeId.parse(NAME)


@dataclass
class ToldCluster:
    """A cluster that keeps what it is told."""

    told: list[tuple[Reason, str]] = field(default_factory=list)
    marks: Marks | None = None
    attached: str | None = "first"
    asked: Callable[[], None] = lambda: None
    is_away: bool = False

    async def announce(self, host_nqn: Nqn) -> None:
        pass

    async def clear_startup_taint(self) -> bool:
        return True

    async def attachment(self, volume: VolumeId) -> str | None:  # noqa: ARG002
        self.asked()
        return self.attached

    async def identify(self, slot: Slot) -> VolumeId:
        return VolumeId(slot)

    async def read_marks(self, volume: VolumeId) -> Marks | None:  # noqa: ARG002
        if self.is_away:
            raise Unreachable("the Kubernetes API does not answer")
        return self.marks

    async def mark_formatted(self, volume: VolumeId, text: str) -> None:  # noqa: ARG002
        self.marks = replace(self.marks or Marks(), formatted=text)

    def tell(self, volume: VolumeId, reason: Reason, text: str) -> None:  # noqa: ARG002
        self.told.append((reason, text))

    @property
    def reasons(self) -> list[Reason]:
        return [reason for reason, _ in self.told]


@dataclass
class Ward:
    """A plugin whose connections break on demand, and its rounds, one at a time."""

    rig: NodeRig
    fabrics: FaultyFabrics
    cluster: ToldCluster
    health: Health

    async def check(self) -> str:
        """Go round once; return the condition of the volume, empty where it is in order."""
        record = self.rig.desk.records.get(VOLUME)
        assert record is not None
        condition = await self.health.check(record)
        return condition.text if condition.abnormal else ""


@contextlib.asynccontextmanager
async def open_ward(host: Path) -> AsyncIterator[Ward]:
    async with contextlib.AsyncExitStack() as stack:
        (host / "images").mkdir()
        inner = LoopFabrics(host / "images", (PREFIX,), limit=PATIENCE)
        fabrics = await stack.enter_async_context(FaultyFabrics(inner))
        stack.enter_context(clean_host(host))
        cluster = ToldCluster()
        rig = await stack.enter_async_context(
            open_rig(host, fabrics, cluster, metrics_address=f"127.0.0.1:{free_port()}")
        )
        desk = replace(rig.desk, pauses=(0.0, 0.0, 0.0))
        tasks = await stack.enter_async_context(open_keyed_tasks(PATIENCE))
        yield Ward(rig, fabrics, cluster, Health(desk, Guard(cluster), tasks))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def condition_of(rig: NodeRig) -> tuple[bool, str]:
    condition = (await rig.stats()).volume_condition
    assert condition is not None
    return condition.abnormal, condition.message
