"""What is told on claims and volumes, where people look: driven by what really happened."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status
from structlog.testing import capture_logs

from tests.component.controller.admin_rig import DRIVER, InCluster, open_clustered
from tests.component.controller.rig import (
    NAME,
    Mode,
    block,
    create_request,
    error_of,
)
from tests.component.ops.scraping import free_address, reaches, value
from tests.fakes.apiserver import VOLUMES
from tests.waiting import eventually

CLAIMS = "/api/v1/namespaces/vms/persistentvolumeclaims"
SHARED = block(Mode.MULTI_NODE_MULTI_WRITER)
FOR_CLAIM = {
    "csi.storage.k8s.io/pvc/namespace": "vms",
    "csi.storage.k8s.io/pvc/name": "data",
    "csi.storage.k8s.io/pv/name": NAME,
}
MIGRATIONS = "rds_csi_migration_migrations_total"
DURATION = "rds_csi_migration_duration_seconds"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    """Run a controller in a cluster with a claim that has no volume yet."""
    async with open_clustered(tmp_path, metrics_address=free_address()) as there:
        await there.api.put(CLAIMS, {"metadata": {"name": "data", "namespace": "vms"}})
        yield there


async def bind(there: InCluster) -> None:
    """Make the claim's volume, for two nodes."""
    await there.rig.create(capability=SHARED)
    claim = {"namespace": "vms", "name": "data", "uid": uid_of_claim(there)}
    spec = {"csi": {"driver": DRIVER, "volumeHandle": NAME}, "claimRef": claim}
    await there.api.put(VOLUMES, {"metadata": {"name": NAME}, "spec": spec})


def uid_of_claim(there: InCluster) -> str:
    return str(there.api.objects[CLAIMS]["data"]["metadata"]["uid"])


def told(there: InCluster, kind: str) -> dict[str, dict[str, Any]]:
    """Return the events on objects of a kind, by reason."""
    events = [*there.api.events("vms"), *there.api.events("default")]
    return {e["reason"]: e for e in events if e["involvedObject"]["kind"] == kind}


async def event(there: InCluster, reason: str, kind: str) -> dict[str, Any]:
    """Wait for an event, and return it."""

    async def is_told() -> bool:
        return reason in told(there, kind)

    await eventually(is_told, f"{reason} was told on the {kind}")
    return told(there, kind)[reason]


async def publish(there: InCluster, node: str, seconds_ago: float = 0) -> None:
    """Publish for two nodes, as external-attacher does, with a claim of some age."""
    created = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    stamp = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    await there.api.attach(NAME, node, DRIVER, attached=False, created=stamp)
    await there.rig.publish(node, capability=SHARED)
    await there.api.attach(NAME, node, DRIVER, attached=True, created=stamp)


def address(there: InCluster) -> str:
    return there.rig.settings.metrics_address


# Making


async def test_a_claim_is_told_why_its_volume_is_not_made_and_what_to_do(there: InCluster) -> None:
    request = create_request(required=2**50, limit=2**50, parameters=FOR_CLAIM)

    status, message = await error_of(there.rig.controller.create_volume(request))
    found = await event(there, "VolumeProvisioningFailed", "PersistentVolumeClaim")

    assert status in {Status.RESOURCE_EXHAUSTED, Status.OUT_OF_RANGE}
    assert found["type"] == "Warning"
    assert found["message"].startswith(message)
    assert "Ask for a size within the limits" in found["message"]
    assert found["involvedObject"]["uid"] == uid_of_claim(there)
    assert found["involvedObject"]["namespace"] == "vms"


async def test_a_claim_is_told_of_a_full_pool(there: InCluster) -> None:
    request = create_request(required=2**40, limit=2**41, parameters=FOR_CLAIM)

    status, _ = await error_of(there.rig.controller.create_volume(request))
    found = await event(there, "VolumeProvisioningFailed", "PersistentVolumeClaim")

    assert status is Status.RESOURCE_EXHAUSTED
    assert "Free room on the device" in found["message"]


async def test_the_same_failure_again_is_one_event_that_counts(there: InCluster) -> None:
    request = create_request(required=2**40, limit=2**41, parameters=FOR_CLAIM)
    for _ in range(3):
        await error_of(there.rig.controller.create_volume(request))

    async def counted() -> bool:
        found = told(there, "PersistentVolumeClaim").get("VolumeProvisioningFailed")
        return found is not None and found["count"] == 3

    await eventually(counted, "it was counted three times")
    assert len(there.api.events("vms")) == 1


async def test_a_volume_that_is_made_tells_nothing(there: InCluster) -> None:
    await there.rig.create(parameters=FOR_CLAIM)
    await error_of(
        there.rig.controller.create_volume(
            create_request("other", required=2**40, limit=2**41, parameters=FOR_CLAIM)
        )
    )
    found = await event(there, "VolumeProvisioningFailed", "PersistentVolumeClaim")

    assert len(there.api.events("vms")) == 1
    assert found["count"] == 1


async def test_a_failure_for_nobodys_claim_or_one_that_is_gone_harms_nothing(
    there: InCluster,
) -> None:
    gone = {**FOR_CLAIM, "csi.storage.k8s.io/pvc/name": "gone"}
    for parameters in ({}, gone, FOR_CLAIM):
        request = create_request(required=2**40, limit=2**41, parameters=parameters)
        status, _ = await error_of(there.rig.controller.create_volume(request))
        assert status is Status.RESOURCE_EXHAUSTED

    await event(there, "VolumeProvisioningFailed", "PersistentVolumeClaim")
    assert len(there.api.events("vms")) == 1


async def test_an_api_that_does_not_answer_holds_no_call_up(there: InCluster) -> None:
    there.api.refusals = {f"GET {CLAIMS}": 500, "POST /api/v1/namespaces": 500}
    request = create_request(required=2**40, limit=2**41, parameters=FOR_CLAIM)

    with capture_logs():
        status, _ = await error_of(there.rig.controller.create_volume(request))

    assert status is Status.RESOURCE_EXHAUSTED


# Attaching


async def test_a_conflict_is_told_on_the_volume_and_on_its_claim(there: InCluster) -> None:
    await bind(there)
    await there.publish("a")
    await there.claim("b", attached=False)

    status, message = await error_of(there.rig.publish("b"))
    volume = await event(there, "VolumeAttachConflict", "PersistentVolume")
    claim = await event(there, "VolumeAttachConflict", "PersistentVolumeClaim")

    assert status is Status.FAILED_PRECONDITION
    assert volume["message"] == claim["message"] == message
    assert volume["type"] == "Warning"
    assert claim["involvedObject"]["uid"] == uid_of_claim(there)
    assert await value(address(there), "rds_csi_attachment_conflicts_total") == 1
    await reaches(address(there), 2, "rds_csi_events_posted_total", reason="VolumeAttachConflict")


# Live migrations


async def test_a_migration_is_told_from_its_begin_to_its_end_and_counted(
    there: InCluster,
) -> None:
    await bind(there)
    await publish(there, "a", seconds_ago=500)
    await publish(there, "b", seconds_ago=60)
    await reaches(address(there), 1, "rds_csi_migration_active_migrations")
    begun = await event(there, "MigrationStarted", "PersistentVolumeClaim")
    before = await value(address(there), f"{DURATION}_count")

    await there.rig.unpublish("a")
    await there.api.detach(NAME, "a")
    ended = await event(there, "MigrationCompleted", "PersistentVolumeClaim")

    assert begun["message"] == "the live migration from a to b has begun"
    assert ended["message"].startswith("the live migration from a to b is complete after 6")
    assert (begun["type"], ended["type"]) == ("Normal", "Normal")
    assert await value(address(there), MIGRATIONS, result="success") == 1
    assert before is None
    assert await value(address(there), f"{DURATION}_count") == 1
    assert 59 <= (await value(address(there), f"{DURATION}_sum") or 0) <= 80
    await reaches(address(there), 0, "rds_csi_migration_active_migrations")


async def test_an_end_of_a_migration_that_is_asked_for_twice_counts_once(
    there: InCluster,
) -> None:
    await bind(there)
    await publish(there, "a", seconds_ago=500)
    await publish(there, "b")
    await reaches(address(there), 1, "rds_csi_migration_active_migrations")

    await there.rig.unpublish("a")
    await there.rig.unpublish("a")

    assert await value(address(there), MIGRATIONS, result="success") == 1


async def test_a_migration_that_is_given_up_is_told_and_counted_as_such(there: InCluster) -> None:
    await bind(there)
    await publish(there, "a", seconds_ago=500)
    await publish(there, "b")
    await reaches(address(there), 1, "rds_csi_migration_active_migrations")

    await there.rig.unpublish("b")
    found = await event(there, "MigrationFailed", "PersistentVolumeClaim")

    assert found["message"] == "the live migration to b was given up; a keeps the volume"
    assert found["type"] == "Warning"
    assert await value(address(there), MIGRATIONS, result="abandoned") == 1
    assert await value(address(there), MIGRATIONS, result="success") is None
    assert await value(address(there), f"{DURATION}_count") is None


async def test_a_migration_that_takes_too_long_is_told_with_what_to_do_and_counted(
    there: InCluster,
) -> None:
    await bind(there)
    await publish(there, "a", seconds_ago=900)

    status, message = await error_of(publish(there, "b", seconds_ago=400))
    found = await event(there, "MigrationFailed", "PersistentVolume")

    assert status is Status.FAILED_PRECONDITION
    assert found["message"] == message
    assert "by deleting the pod on b" in found["message"]
    assert await value(address(there), MIGRATIONS, result="timeout") == 1


async def test_a_volume_that_simply_moves_is_no_migration(there: InCluster) -> None:
    await bind(there)
    await publish(there, "a")
    await there.rig.unpublish("a")
    await there.api.detach(NAME, "a")
    await publish(there, "b")
    await there.rig.unpublish("b")

    assert await value(address(there), MIGRATIONS, result="success") is None
    assert told(there, "PersistentVolume") == {}
