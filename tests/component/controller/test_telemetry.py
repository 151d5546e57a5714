"""Each number of the controller moves when, and only when, what it counts happens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.mockrds.faults import Action, Fault
from protos.gen.rdscsi.controller import v1 as admin
from tests.component.controller.admin_rig import FENCED, InCluster, open_clustered
from tests.component.controller.rig import (
    NAME,
    Mode,
    Rig,
    block,
    create_request,
    error_of,
    open_rig,
)
from tests.component.ops.scraping import (
    free_address,
    get,
    needs_promtool,
    promtool_complaints,
    reaches,
    scrape,
    value,
)
from tests.waiting import eventually

OPERATIONS = "rds_csi_volume_operations_total"
ATTACHED = "rds_csi_attachment_attach_total"
DETACHED = "rds_csi_attachment_detach_total"
SECONDS = "rds_csi_attachment_operation_duration_seconds_count"
METRICS_PAGE = Path(__file__).parents[3] / "docs/metrics.md"
SHARED = block(Mode.MULTI_NODE_MULTI_WRITER)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, metrics_address=free_address()) as rig:
        yield rig


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    async with open_clustered(tmp_path, metrics_address=free_address()) as there:
        await there.refer()
        yield there


def shown(there: InCluster) -> str:
    return there.rig.settings.metrics_address


async def test_calls_count_by_operation_end_and_code(rig: Rig) -> None:
    address = rig.settings.metrics_address
    await rig.create()
    await rig.create()
    await error_of(rig.controller.create_volume(create_request(parameters={"x": "y"})))
    await rig.delete()

    success = {"status": "success", "code": "OK"}
    refused = {"status": "failure", "code": "INVALID_ARGUMENT"}
    assert await value(address, OPERATIONS, operation="CreateVolume", **success) == 2
    assert await value(address, OPERATIONS, operation="CreateVolume", **refused) == 1
    assert await value(address, OPERATIONS, operation="DeleteVolume", **success) == 1
    name = "rds_csi_volume_operation_duration_seconds_count"
    assert await value(address, name, operation="CreateVolume") == 3


async def test_a_call_in_hand_shows_while_it_is(rig: Rig) -> None:
    address = rig.settings.metrics_address
    rig.device.faults.add(Fault(Action.HANG, "/disk/add"))
    creating = asyncio.create_task(rig.create())

    await reaches(address, 1, "rds_csi_calls_in_flight")
    await rig.device.restart()
    await asyncio.wait({creating})
    await reaches(address, 0, "rds_csi_calls_in_flight")


async def test_attaching_and_detaching_count_with_how_long_they_took(rig: Rig) -> None:
    address = rig.settings.metrics_address
    await rig.create()
    before = await value(address, ATTACHED, status="success")

    await rig.publish("a")
    await rig.unpublish("a")

    assert before is None
    assert await value(address, ATTACHED, status="success") == 1
    assert await value(address, DETACHED, status="success") == 1
    assert await value(address, SECONDS, operation="attach") == 1
    assert await value(address, SECONDS, operation="detach") == 1


async def test_a_refusal_because_another_node_has_the_volume_counts_as_a_conflict(
    rig: Rig,
) -> None:
    address = rig.settings.metrics_address
    await rig.create()
    await rig.publish("a")
    before = await value(address, "rds_csi_attachment_conflicts_total")

    status, _ = await error_of(rig.publish("b"))

    assert status is Status.FAILED_PRECONDITION
    assert before == 0
    assert await value(address, "rds_csi_attachment_conflicts_total") == 1
    assert await value(address, ATTACHED, status="failure") == 1


async def test_an_attachment_that_fails_for_another_reason_is_no_conflict(rig: Rig) -> None:
    address = rig.settings.metrics_address

    status, _ = await error_of(rig.publish("a"))

    assert status is Status.NOT_FOUND
    assert await value(address, ATTACHED, status="failure") == 1
    assert await value(address, "rds_csi_attachment_conflicts_total") == 0


async def test_a_detachment_that_the_device_does_not_answer_counts_as_failed(
    tmp_path: Path,
) -> None:
    changes = {"metrics_address": free_address(), "fencing": True, "annotate_volumes": False}
    async with open_clustered(tmp_path, **changes) as there:
        await there.rig.create(parameters=FENCED)
        await there.refer()
        await there.publish("a")
        there.rig.device.faults.add(Fault(Action.DROP_AFTER, "nvme-tcp-server-allow-host-name"))

        status, _ = await error_of(there.rig.unpublish("a"))

        assert status is Status.UNAVAILABLE
        assert await value(shown(there), DETACHED, status="failure") == 1
        assert await value(shown(there), DETACHED, status="success") is None


async def test_volumes_that_are_attached_count_once_each(there: InCluster) -> None:
    name = "rds_csi_nvme_connections_active"
    await there.rig.create(capability=SHARED)
    before = await value(shown(there), name)

    await there.claim("a")
    await reaches(shown(there), 1, name)
    await there.claim("b")
    await reaches(shown(there), 1, "rds_csi_migration_active_migrations")
    both = await value(shown(there), name)
    await there.api.detach(NAME, "a")
    await there.api.detach(NAME, "b")

    await reaches(shown(there), 0, name)
    await reaches(shown(there), 0, "rds_csi_migration_active_migrations")
    assert (before, both) == (0, 1)


async def test_a_claim_that_was_taken_back_a_moment_ago_counts_as_grace(there: InCluster) -> None:
    name = "rds_csi_attachment_grace_period_used_total"
    await there.rig.create()
    await there.publish("a")
    await there.claim("b", attached=False)
    before = await value(shown(there), name)

    await there.rig.unpublish("a")
    await there.rig.publish("b")

    assert before == 0
    assert (await value(shown(there), name) or 0) >= 1


async def test_a_handover_after_the_old_claim_is_gone_uses_no_grace(there: InCluster) -> None:
    await there.rig.create()
    await there.publish("a")
    await there.rig.unpublish("a")
    await there.api.detach(NAME, "a")
    await reaches(shown(there), 0, "rds_csi_nvme_connections_active")

    await there.publish("b")

    assert await value(shown(there), "rds_csi_attachment_grace_period_used_total") == 0


async def test_calls_of_the_admin_api_count_by_method_and_code(there: InCluster) -> None:
    await there.inventory()
    status, _ = await error_of(there.stub.detach(admin.DetachRequest()))

    name = "rds_csi_admin_calls_total"
    assert await value(shown(there), name, method="GetInventory", code="OK") == 1
    assert await value(shown(there), name, method="Detach", code=status.name) == 1
    name = "rds_csi_admin_call_duration_seconds_count"
    assert await value(shown(there), name, method="GetInventory") == 1


# Probes


async def test_readiness_tells_of_the_start_the_devices_and_the_cluster(there: InCluster) -> None:
    async def is_ready() -> bool:
        return (await get(shown(there), "/readyz"))[0] == 200

    await eventually(is_ready, "it is ready")
    _, text = await get(shown(there), "/readyz")

    assert text.splitlines() == ["start: ok", "devices: ok", "cluster: ok"]


async def test_without_its_device_it_lives_and_is_not_ready_and_says_why(rig: Rig) -> None:
    address = rig.settings.metrics_address

    async def is_away() -> bool:
        return (await get(address, "/readyz"))[0] == 503

    async with rig.device.mock.restarting():
        await eventually(is_away, "it is not ready")
        _, text = await get(address, "/readyz")
        alive, _ = await get(address, "/healthz")

    assert "devices: no device is reached: rds" in text.splitlines()
    assert alive == 200


@needs_promtool
async def test_prometheus_own_checker_finds_nothing_wrong(there: InCluster) -> None:
    await there.rig.create()
    await there.publish("a")
    await there.inventory()

    assert await promtool_complaints(shown(there)) == ""


async def test_every_metric_says_what_it_is_and_is_in_the_documentation(there: InCluster) -> None:
    families = await scrape(shown(there))

    pages = METRICS_PAGE.read_text()
    assert len(families) > 25
    assert [name for name, family in families.items() if not family.text] == []
    assert [name for name in families if f"`{name}`" not in pages] == []
