"""What keeps a volume from harm while things go wrong around it."""

import asyncio
import threading

import aiohttp
import pytest
from grpclib.const import Status

from libs.nvmeof.errors import HostHangs
from services.node.ports import Marks, Reason
from tests.component.controller.rig import error_of
from tests.component.node.rig import NAME, NodeRig, needs_mounts, raw
from tests.component.node.ward import NQN, VOLUME, Ward
from tests.waiting import PATIENCE

pytestmark = needs_mounts


async def scrape(rig: NodeRig) -> str:
    url = f"http://{rig.settings.metrics_address}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


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


async def test_a_cluster_that_is_away_for_a_moment_does_not_have_volumes_left_alone(
    ward: Ward,
) -> None:
    ward.cluster.is_away = True
    failures = [await error_of(ward.rig.stage()) for _ in range(4)]

    ward.cluster.is_away = False
    await ward.rig.stage()

    assert failures == [(Status.UNAVAILABLE, "the Kubernetes API does not answer")] * 4
    assert Reason.BREAKER_OPEN not in ward.cluster.reasons


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
    async with asyncio.timeout(PATIENCE):
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
