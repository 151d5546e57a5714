"""What went stale is noticed, repaired where nothing uses it, and otherwise left alone."""

import asyncio
import contextlib
import socket
import subprocess
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
from grpclib.const import Status

from libs.core.ids import Nqn, VolumeId
from libs.csikit.keylock import open_keyed_tasks
from libs.nvmeof.errors import HostHangs
from libs.nvmeof.model import LinkState
from services.node.adapters.cluster import NoCluster
from services.node.adapters.loop import LoopFabrics
from services.node.ports import Marks, Reason
from services.node.workflow.guard import Guard
from services.node.workflow.health import Health
from tests.component.controller.rig import error_of
from tests.component.node.rig import (
    NAME,
    PREFIX,
    NodeRig,
    clean_host,
    holding,
    mount_table,
    mounted,
    needs_mounts,
    open_rig,
    raw,
    write_safely,
)
from tests.fakes.faulty_fabrics import FaultyFabrics

pytestmark = needs_mounts

NQN = Nqn.parse(f"{PREFIX}:{NAME}")
VOLUME = VolumeId.parse(NAME)


@dataclass
class ToldCluster:
    """A cluster that keeps what it is told."""

    told: list[tuple[Reason, str]] = field(default_factory=list)
    marks: Marks | None = None
    attached: bool = True

    async def announce(self, host_nqn: Nqn) -> None:
        pass

    async def is_attached(self, volume: VolumeId) -> bool:  # noqa: ARG002
        return self.attached

    async def read_marks(self, volume: VolumeId) -> Marks | None:  # noqa: ARG002
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


@pytest.fixture
async def ward(host: Path) -> AsyncIterator[Ward]:
    async with contextlib.AsyncExitStack() as stack:
        (host / "images").mkdir()
        inner = LoopFabrics(host / "images", (PREFIX,))
        fabrics = await stack.enter_async_context(FaultyFabrics(inner))
        stack.enter_context(clean_host(host / "kubelet", host / "images"))
        cluster = ToldCluster()
        rig = await stack.enter_async_context(
            open_rig(host, fabrics, cluster, metrics_address=f"127.0.0.1:{free_port()}")
        )
        desk = replace(rig.desk, pauses=(0.0, 0.0, 0.0))
        tasks = await stack.enter_async_context(open_keyed_tasks(5.0))
        yield Ward(rig, fabrics, cluster, Health(desk, Guard(cluster), tasks))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def scrape(rig: NodeRig) -> str:
    url = f"http://{rig.settings.metrics_address}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def condition_of(rig: NodeRig) -> tuple[bool, str]:
    condition = (await rig.stats()).volume_condition
    assert condition is not None
    return condition.abnormal, condition.message


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs"])
async def test_a_mount_of_a_disk_that_was_renumbered_is_repaired_with_its_data(
    ward: Ward, fs_type: str
) -> None:
    await ward.rig.stage(mounted(fs_type))
    target = await ward.rig.publish(mounted(fs_type))
    write_safely(target / "data", "kept")

    device = await ward.fabrics.renumber(NQN)
    before = await condition_of(ward.rig)
    after = await ward.check()

    assert before[0]
    assert "under another name" in before[1]
    assert after == ""
    assert {mount.source for mount in ward.rig.mounts()} == {device.path}
    assert (target / "data").read_text() == "kept"
    assert ward.cluster.reasons == [Reason.STALE_MOUNT, Reason.RECOVERED]


async def test_a_stale_mount_that_a_pod_uses_is_reported_and_not_torn_away(ward: Ward) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()
    mounts = ward.rig.mounts()

    async with holding(target / "open"):
        await ward.fabrics.renumber(NQN)
        during = await ward.check()
        kept = ward.rig.mounts()
    after = await ward.check()

    assert "under another name" in during
    assert kept == mounts
    assert after == ""
    assert ward.cluster.reasons[:2] == [Reason.STALE_MOUNT, Reason.RECOVERY_FAILED]
    assert "restarted" in ward.cluster.told[1][1]


async def test_publishing_repairs_a_stale_mount_first(ward: Ward) -> None:
    await ward.rig.stage()
    device = await ward.fabrics.renumber(NQN)

    target = await ward.rig.publish()

    found = mount_table().at(str(target))
    assert found is not None
    assert found.source == device.path


async def test_a_filesystem_that_turned_read_only_is_mounted_anew(ward: Ward) -> None:
    await ward.rig.stage()
    staging = ward.rig.staging()
    (staging / "data").write_text("kept")
    await asyncio.to_thread(
        subprocess.run,
        ["mount", "-o", "remount,abort", str(staging)],
        check=True,
    )

    before = await condition_of(ward.rig)
    after = await ward.check()

    assert before == (True, "the filesystem turned read-only after an error")
    assert after == ""
    (staging / "data").write_text("and written again")


async def test_a_filesystem_that_gives_io_errors_is_mounted_anew(ward: Ward) -> None:
    await ward.rig.stage(mounted("xfs"))
    write_safely(ward.rig.staging() / "data", "kept")
    shut = ["xfs_io", "-x", "-c", "shutdown -f", str(ward.rig.staging())]
    await asyncio.to_thread(subprocess.run, shut, check=True)

    before = await condition_of(ward.rig)
    after = await ward.check()

    assert before == (True, "the filesystem answers with I/O errors")
    assert after == ""
    assert (ward.rig.staging() / "data").read_text() == "kept"


async def test_a_connection_that_the_kernel_gave_up_is_made_again(ward: Ward) -> None:
    await ward.rig.stage(raw())
    await ward.rig.publish(raw())
    await ward.fabrics.vanish(NQN)

    before = await condition_of(ward.rig)
    after = await ward.check()

    assert before == (True, "the volume is not connected to this node")
    assert after == ""
    assert ward.fabrics.counts.connects == 2


async def test_a_connection_that_the_kernel_is_trying_again_is_left_to_it(ward: Ward) -> None:
    await ward.rig.stage()
    connects = ward.fabrics.counts.connects
    ward.fabrics.set_state(NQN, LinkState.CONNECTING)

    during = await ward.check()
    ward.fabrics.set_state(NQN, None)
    after = await ward.check()

    assert "I/O waits" in during
    assert after == ""
    assert ward.fabrics.counts.connects == connects
    assert ward.cluster.reasons == [Reason.CONNECTION_LOST, Reason.CONNECTION_RESTORED]


async def test_a_volume_that_was_given_to_another_node_is_not_mounted_again(ward: Ward) -> None:
    await ward.rig.stage()
    await ward.fabrics.renumber(NQN)
    mounts = ward.rig.mounts()
    ward.cluster.attached = False

    await ward.check()
    await ward.check()

    assert ward.rig.mounts() == mounts
    assert ward.cluster.reasons == [Reason.STALE_MOUNT, Reason.RECOVERY_FAILED]
    assert "another node may have it" in ward.cluster.told[1][1]


async def test_after_a_reboot_nothing_is_mounted_before_the_kubelet_says_so(host: Path) -> None:
    async with open_rig(host) as rig:
        await rig.stage()
        await rig.publish()
        record = rig.desk.records.get(VOLUME)
        assert record is not None
        await rig.desk.records.put(replace(record, boot="an earlier one"))
        for mount in rig.mounts():
            await rig.desk.mounter.unmount(mount.point)
        async with open_keyed_tasks(5.0) as tasks:
            await Health(rig.desk, Guard(NoCluster()), tasks).check_all()
        before = rig.mounts()

        await rig.stage()

        assert before == []
        assert [mount.point for mount in rig.mounts()] == [str(rig.staging())]


async def test_what_stays_wrong_is_told_once(ward: Ward) -> None:
    await ward.rig.stage()
    ward.fabrics.set_state(NQN, LinkState.CONNECTING)

    for _ in range(5):
        await ward.check()

    assert ward.cluster.reasons == [Reason.CONNECTION_LOST]


async def test_a_volume_that_fails_three_times_is_left_alone_until_somebody_resets_it(
    ward: Ward,
) -> None:
    ward.cluster.marks = Marks()
    ward.fabrics.fail_connects(3)
    failures = [await error_of(ward.rig.stage()) for _ in range(3)]

    suspended = await error_of(ward.rig.stage())
    connects = ward.fabrics.counts.connects
    ward.cluster.marks = Marks(reset="2026-11-21 mended")
    await ward.rig.stage()

    assert {status for status, _ in failures} == {Status.UNAVAILABLE}
    assert suspended[0] is Status.UNAVAILABLE
    assert "failed 3 times in a row" in suspended[1]
    assert connects == 3
    assert Reason.BREAKER_OPEN in ward.cluster.reasons


async def test_a_volume_that_was_formatted_by_another_node_is_not_formatted_again(
    ward: Ward,
) -> None:
    ward.cluster.marks = Marks(formatted="ext4 on another node")

    status, text = await error_of(ward.rig.stage())

    assert status is Status.FAILED_PRECONDITION
    assert "ext4 on another node" in text
    assert not any((ward.rig.images / f"{NAME}.img").read_bytes())


async def test_a_new_volume_is_marked_as_formatted(ward: Ward) -> None:
    ward.cluster.marks = Marks()

    await ward.rig.stage()

    assert ward.cluster.marks.formatted.startswith("ext4 ")


async def test_a_device_that_cannot_be_read_is_never_formatted(ward: Ward) -> None:
    image = ward.rig.image(64 * 2**20)
    await ward.rig.stage(raw())
    await ward.fabrics.break_reads(NQN)
    await ward.rig.desk.records.drop(VOLUME)

    status, text = await error_of(ward.rig.stage(size=64 * 2**20))
    await ward.fabrics.mend_reads(NQN)

    assert status is Status.FAILED_PRECONDITION
    assert "cannot be read" in text
    assert not any(image.read_bytes())


async def test_calls_for_one_volume_do_not_meet_and_other_volumes_do_not_wait(ward: Ward) -> None:
    other = NAME[:-1] + "2"
    await ward.rig.stage(name=other)
    gate = ward.fabrics.hold_connects()
    first = asyncio.ensure_future(ward.rig.stage())
    async with asyncio.timeout(5):
        await gate.reached.wait()

    status, _ = await error_of(ward.rig.stage())
    await ward.rig.publish(name=other)
    gate.opened.set()
    await first

    assert status is Status.ABORTED
    assert len(ward.rig.mounts()) == 3


async def test_stats_of_a_mount_that_hangs_answer_in_time_and_say_so(ward: Ward) -> None:
    await ward.rig.stage()
    path = str(ward.rig.staging())
    hung = threading.Event()
    waiting = asyncio.ensure_future(ward.rig.desk.offload.run(path, hung.wait, limit=0.01))
    with pytest.raises(HostHangs):
        await waiting

    during = await ward.rig.stats()
    hung.set()

    assert during.volume_condition is not None
    assert during.volume_condition.abnormal
    assert "does not answer" in during.volume_condition.message
    assert list(during.usage) == []


async def test_what_happened_is_counted(ward: Ward) -> None:
    await ward.rig.stage()
    await ward.fabrics.renumber(NQN)
    await ward.check()

    text = await scrape(ward.rig)

    assert 'rds_csi_nvme_connects_total{result="success"} 1' in text
    assert 'rds_csi_mount_operations_total{operation="mount",result="success"} 2' in text
    assert "rds_csi_stale_mounts_detected_total 1" in text
    assert 'rds_csi_stale_recoveries_total{result="success"} 1' in text
