"""A day of normal work at info can be read: a line for each thing that was done, and no more."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from protos.gen.csi import v1 as csi
from tests.component.controller.rig import Rig, error_of, open_rig
from tests.component.ops.scraping import free_address, get

VOLUMES = [f"pvc-00000000-0000-0000-0000-{number:012}" for number in range(200)]
PROBES_EACH = 10
HEARD = {"info", "warning", "error", "critical"}


async def live(rig: Rig, volume: str) -> None:
    """Make a volume, use it and remove it, while the sidecars and the kubelet ask by the clock."""
    await rig.create(volume)
    await rig.publish("worker-1", volume)
    for _ in range(PROBES_EACH):
        await rig.identity.probe(csi.ProbeRequest())
    await rig.controller.controller_get_volume(csi.ControllerGetVolumeRequest(volume_id=volume))
    await rig.controller.list_volumes(csi.ListVolumesRequest(max_entries=10))
    await rig.controller.get_capacity(csi.GetCapacityRequest())
    await get(rig.settings.metrics_address, "/readyz")
    await rig.unpublish("worker-1", volume)
    await rig.delete(volume)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_normal_work_leaves_a_line_for_each_change_and_nothing_else_repeats(
    tmp_path: Path,
) -> None:
    with capture_logs() as lines:
        async with open_rig(tmp_path, metrics_address=free_address()) as rig:
            for start in range(0, len(VOLUMES), 20):
                await asyncio.gather(*(live(rig, name) for name in VOLUMES[start : start + 20]))

    heard = [line for line in lines if line["log_level"] in HEARD]
    calls = Counter((line["method"], line["code"]) for line in heard if line["event"] == "rpc")
    others = Counter(line["event"] for line in heard if line["event"] != "rpc")
    assert calls == {
        ("CreateVolume", "OK"): len(VOLUMES),
        ("ControllerPublishVolume", "OK"): len(VOLUMES),
        ("ControllerUnpublishVolume", "OK"): len(VOLUMES),
        ("DeleteVolume", "OK"): len(VOLUMES),
    }
    del others["the event loop is stuck"]  # said of a machine that stood still, and rightly
    assert [event for event, count in others.items() if count > 1] == []
    assert {line["log_level"] for line in heard if line["event"] == "rpc"} == {"info"}


async def test_each_line_says_which_call_of_what_and_how_it_ended(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with open_rig(tmp_path) as rig:
            await rig.create(VOLUMES[0])
            await rig.publish("worker-1", VOLUMES[0])
            await error_of(rig.publish("worker-2", VOLUMES[0]))

    created, published, refused = (line for line in lines if line["event"] == "rpc")
    assert created["name"] == published["volume_id"] == VOLUMES[0]
    assert published["node_id"] == "worker-1"
    assert refused["code"] == "FAILED_PRECONDITION"
    assert "is attached to worker-1" in refused["error"]
    assert all(line["ms"] > 0 for line in (created, published, refused))


async def test_what_is_asked_by_the_clock_is_heard_of_when_it_fails(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with open_rig(tmp_path) as rig:
            question = csi.ControllerGetVolumeRequest(volume_id=VOLUMES[0])
            await error_of(rig.controller.controller_get_volume(question))

    (line,) = [line for line in lines if line["event"] == "rpc"]
    assert (line["code"], line["log_level"]) == ("NOT_FOUND", "info")
