"""Each number of the node plugin moves when, and only when, what it counts happens."""

from collections import Counter
from pathlib import Path

import pytest
from grpclib.const import Status
from structlog.testing import capture_logs

from libs.core.spans import tracing
from libs.nvmeof.errors import HostHangs
from libs.nvmeof.model import LinkState
from libs.ops.metrics import Metrics
from protos.gen.csi import v1 as csi
from services.node.adapters.counts import NodeCounts
from services.node.ports import Reason
from tests.component.controller.rig import error_of
from tests.component.node.rig import NAME, NodeRig, holding, needs_mounts, open_rig, raw
from tests.component.node.ward import NQN, Ward
from tests.component.ops.scraping import (
    free_address,
    get,
    needs_promtool,
    promtool_complaints,
    scrape,
    value,
)
from tests.unit.core.tracer import Recorder
from tests.unit.ops.scrape import parse_scrape

pytestmark = needs_mounts

CONNECTS = "rds_csi_nvme_connects_total"
MOUNTS = "rds_csi_mount_operations_total"
STALE = "rds_csi_stale_mounts_detected_total"
RECOVERIES = "rds_csi_stale_recoveries_total"
OPERATIONS = "rds_csi_volume_operations_total"


async def shown(ward: Ward, name: str, **labels: str) -> float | None:
    return await value(ward.rig.settings.metrics_address, name, **labels)


async def test_connects_count_with_how_long_they_took(ward: Ward) -> None:
    before = await shown(ward, CONNECTS, result="success")

    await ward.rig.stage(raw())

    assert before == 0
    assert await shown(ward, CONNECTS, result="success") == 1
    assert await shown(ward, "rds_csi_nvme_connect_duration_seconds_count") == 1


async def test_connects_that_fail_count_as_such_and_have_no_duration(ward: Ward) -> None:
    ward.fabrics.fail_connects(1)

    status, _ = await error_of(ward.rig.stage(raw()))

    assert status is Status.UNAVAILABLE
    assert await shown(ward, CONNECTS, result="failure") == 1
    assert await shown(ward, CONNECTS, result="success") == 0
    assert await shown(ward, "rds_csi_nvme_connect_duration_seconds_count") is None


async def test_mounts_and_unmounts_count_by_what_they_were(ward: Ward) -> None:
    await ward.rig.stage()
    mounted = await shown(ward, MOUNTS, operation="mount", result="success")
    await ward.rig.publish()
    await ward.rig.unpublish()
    await ward.rig.unstage()

    assert mounted == 1
    assert await shown(ward, MOUNTS, operation="bind", result="success") == 1
    assert await shown(ward, MOUNTS, operation="unbind", result="success") == 1
    assert await shown(ward, MOUNTS, operation="unmount", result="success") == 1
    assert await shown(ward, MOUNTS, operation="unmount", result="failure") == 0


async def test_an_unmount_that_is_busy_counts_as_failed(ward: Ward) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()

    async with holding(target / "data"):
        status, _ = await error_of(ward.rig.unpublish())
        failed = await shown(ward, MOUNTS, operation="unbind", result="failure")

    assert status is not Status.OK
    assert failed == 1


async def test_a_stale_mount_counts_once_and_its_repair_too(ward: Ward) -> None:
    await ward.rig.stage()
    before = await shown(ward, STALE)
    await ward.fabrics.renumber(NQN)

    await ward.check()
    await ward.check()

    assert before == 0
    assert await shown(ward, STALE) == 1
    assert await shown(ward, RECOVERIES, result="success") == 1
    assert await shown(ward, RECOVERIES, result="failure") == 0


async def test_a_stale_mount_that_a_pod_uses_is_a_repair_that_failed(ward: Ward) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()
    async with holding(target / "data"):
        await ward.fabrics.renumber(NQN)
        await ward.check()

        assert await shown(ward, STALE) == 1
        assert (await shown(ward, RECOVERIES, result="failure") or 0) >= 1
        assert await shown(ward, RECOVERIES, result="success") == 0


async def test_calls_count_by_operation_end_and_code(ward: Ward) -> None:
    await ward.rig.stage()
    await ward.rig.identity.probe(csi.ProbeRequest())
    status, _ = await error_of(ward.rig.node.node_stage_volume(csi.NodeStageVolumeRequest()))

    done = {"operation": "NodeStageVolume", "status": "success", "code": "OK"}
    refused = {"operation": "NodeStageVolume", "status": "failure", "code": status.name}
    assert await shown(ward, OPERATIONS, **done) == 1
    assert await shown(ward, OPERATIONS, **refused) == 1
    assert await shown(ward, OPERATIONS, operation="Probe", status="success", code="OK") is None


async def seen_now(ward: Ward) -> dict[str, float]:
    """Return the connections by state, and the volumes, as a scrape that is not cached has them."""
    metrics = Metrics()
    NodeCounts(metrics).show(ward.fabrics, ward.rig.desk.records)
    await metrics.collect()
    families = parse_scrape(metrics.render()[0].decode())
    numbers = {
        dict(labels).get("state", "staged"): number
        for name in ("rds_csi_nvme_controllers", "rds_csi_staged_volumes")
        for (_, labels), number in families[name].samples.items()
    }
    await metrics.aclose()
    return numbers


async def test_connections_show_by_their_state_and_volumes_while_they_are_staged(
    ward: Ward,
) -> None:
    nothing = await seen_now(ward)
    await ward.rig.stage(raw())
    live = await seen_now(ward)
    ward.fabrics.set_state(NQN, LinkState.CONNECTING)
    lost = await seen_now(ward)
    ward.fabrics.set_state(NQN, None)
    await ward.rig.unstage()

    assert nothing == {"live": 0, "connecting": 0, "dead": 0, "staged": 0}
    assert live == {"live": 1, "connecting": 0, "dead": 0, "staged": 1}
    assert lost == {"live": 0, "connecting": 1, "dead": 0, "staged": 1}
    assert await seen_now(ward) == nothing


class Hanging:
    """A kernel that does not say what is connected."""

    async def list_connections(self) -> list[object]:
        raise HostHangs("the kernel did not answer")


async def test_connections_that_cannot_be_read_are_not_shown_as_none(ward: Ward) -> None:
    metrics = Metrics()
    NodeCounts(metrics).show(Hanging(), ward.rig.desk.records)  # type: ignore[arg-type] # one verb

    with capture_logs():
        await metrics.collect()

    families = parse_scrape(metrics.render()[0].decode())
    assert families["rds_csi_nvme_controllers"].samples == {}
    assert families["rds_csi_staged_volumes"].samples == {("rds_csi_staged_volumes", ()): 0}


async def test_a_pods_volume_that_fails_is_told_and_that_it_works_at_last_once(
    ward: Ward,
) -> None:
    ward.fabrics.fail_connects(1)
    await error_of(ward.rig.stage(raw()))
    told = list(ward.cluster.reasons)

    await ward.rig.stage(raw())
    await ward.rig.stage(raw())

    assert told == [Reason.MOUNT_FAILED]
    assert ward.cluster.reasons == [Reason.MOUNT_FAILED, Reason.MOUNTED]


# Probes and the day


async def test_a_running_plugin_is_alive_and_ready(host: Path) -> None:
    async with open_rig(host, metrics_address=free_address()) as rig:
        address = rig.settings.metrics_address
        alive, ready = await get(address, "/healthz"), await get(address, "/readyz")

    assert alive == (200, "ok\n")
    assert ready == (200, "start: ok\n")


@needs_promtool
async def test_prometheus_own_checker_finds_nothing_wrong(ward: Ward) -> None:
    await ward.rig.stage()
    await ward.fabrics.renumber(NQN)
    await ward.check()

    assert await promtool_complaints(ward.rig.settings.metrics_address) == ""


async def test_every_metric_says_what_it_is_and_is_in_the_documentation(ward: Ward) -> None:
    families = await scrape(ward.rig.settings.metrics_address)

    pages = (Path(__file__).parents[3] / "docs/metrics.md").read_text()
    assert [name for name in families if f"`{name}`" not in pages] == []
    assert [name for name, family in families.items() if not family.text] == []


async def test_what_the_kubelet_asks_every_minute_leaves_no_line_at_info(rig: NodeRig) -> None:
    with capture_logs() as lines:
        await rig.stage()
        path = await rig.publish()
        for _ in range(60):
            await rig.identity.probe(csi.ProbeRequest())
            await rig.node.node_get_capabilities(csi.NodeGetCapabilitiesRequest())
            await rig.stats(path)
        await rig.unpublish()
        await rig.unstage()

    heard = [line for line in lines if line["log_level"] != "debug"]
    assert [line["method"] for line in heard if line["event"] == "rpc"] == [
        "NodeStageVolume",
        "NodePublishVolume",
        "NodeUnpublishVolume",
        "NodeUnstageVolume",
    ]
    others = Counter(line["event"] for line in heard if line["event"] != "rpc")
    assert [event for event, count in others.items() if count > 1] == []


@pytest.mark.parametrize("program", ["blkid", "mkfs.ext4", "mount"])
async def test_each_host_command_is_a_span_below_its_call(rig: NodeRig, program: str) -> None:
    recorder = Recorder()
    with tracing(recorder):
        await rig.stage()

    commands = {
        str(span.attributes["program"]): span.above for span in recorder.named("host command")
    }
    assert commands[program] == "csi.v1.Node/NodeStageVolume"
    assert NAME not in repr(recorder.named("host command"))
