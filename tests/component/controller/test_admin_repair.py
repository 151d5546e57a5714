"""Detaching over the admin API."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from grpclib.const import Status

from libs.mockrds.faults import Action, Fault
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as admin
from services.controller.plan.attach import NOBODY
from tests.component.controller.admin_rig import (
    FENCED,
    HOSTS,
    InCluster,
    open_clustered,
)
from tests.component.controller.rig import NAME, Mode, block, error_of
from tests.waiting import PATIENCE

Fencing = admin.FencingResult
State = admin.AttachmentState
Admission = admin.Admission
SHARED = block(Mode.MULTI_NODE_MULTI_WRITER)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    async with open_clustered(tmp_path, fencing=True, fencing_two_hosts="list") as there:
        yield there


# Detaching


async def test_a_detach_shuts_the_node_out_and_lets_the_next_one_have_the_volume(
    there: InCluster,
) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")
    await there.claim("b", attached=False)

    done = await there.detach("a")
    await there.rig.publish("b")

    assert (done.was_attached, done.fencing, done.remaining_nodes) == (True, Fencing.CHANGED, [])
    assert len(done.attachment_uids) == 1
    assert done.summary == (
        f"volume {NAME} was detached from a; the device was told, and confirmed it"
    )
    assert there.admitted == HOSTS["b"]


async def test_a_second_detach_finds_nothing_to_do(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")
    await there.detach("a")

    done = await there.detach("a")

    assert (done.was_attached, done.fencing) == (False, Fencing.ALREADY)


async def test_a_detach_says_when_there_is_no_fence(there: InCluster) -> None:
    await there.rig.create()
    await there.publish("a")

    done = await there.detach("a")

    assert (done.was_attached, done.fencing) == (True, Fencing.NOT_FENCED)


async def test_a_detach_without_fencing_needs_no_device(tmp_path: Path) -> None:
    async with open_clustered(tmp_path) as there:
        await there.rig.create()
        await there.publish("a")
        before = len(there.rig.device.lines)

        done = await there.detach("a")

        assert (done.was_attached, done.fencing) == (True, Fencing.OFF)
        assert len(there.rig.device.lines) == before


async def test_a_volume_that_is_gone_is_detached_all_the_same(there: InCluster) -> None:
    await there.claim("a")

    done = await there.detach("a")

    assert (done.was_attached, done.fencing) == (True, Fencing.NO_VOLUME)


async def test_a_node_that_is_gone_is_shut_out(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")
    await there.api.remove("/api/v1/nodes", "a")

    done = await there.detach("a")

    assert done.fencing is Fencing.CHANGED
    assert there.admitted == NOBODY


async def test_a_detach_names_the_nodes_that_keep_the_volume(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED, capability=SHARED)
    for node in ("a", "b"):
        await there.claim(node, attached=False)
        await there.rig.publish(node, capability=SHARED)
        await there.claim(node)

    done = await there.detach("a")

    assert done.remaining_nodes == ["b"]
    assert there.admitted == HOSTS["b"]


async def test_a_node_is_not_detached_before_the_device_has_shut_it_out(
    there: InCluster,
) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")
    there.rig.device.faults.add(Fault(Action.DROP_BEFORE, "allow-host-name"))

    status, _ = await error_of(there.detach("a"))

    (attachment,) = (await there.attachments()).attachments
    assert status is Status.UNAVAILABLE
    assert attachment.state is State.ATTACHED


async def test_a_detach_is_for_the_attachment_that_was_seen_and_no_later_one(
    there: InCluster,
) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")
    (seen,) = (await there.attachments()).attachments
    await there.api.detach(NAME, "a")
    await there.publish("a")

    status, message = await error_of(there.detach("a", attachment_uid=seen.attachment_uid))

    (now,) = (await there.attachments()).attachments
    assert status is Status.FAILED_PRECONDITION
    assert "has come back for volume" in message
    assert (now.state, there.admitted) == (State.ATTACHED, HOSTS["a"])
    assert now.attachment_uid != seen.attachment_uid


async def test_a_detach_of_the_attachment_that_was_seen_is_done(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")
    (seen,) = (await there.attachments()).attachments

    done = await there.detach("a", attachment_uid=seen.attachment_uid)

    assert done.attachment_uids == [seen.attachment_uid]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": ""}, "reason must say why"),
        ({"node_id": ""}, "node_id must not be empty"),
        ({"volume_id": ""}, "volume_id must not be empty"),
        ({"volume_id": "backup"}, "not one that this driver makes"),
    ],
)
async def test_a_detach_says_what_it_needs(
    there: InCluster, fields: dict[str, str], words: str
) -> None:
    status, message = await error_of(
        there.stub.detach(
            admin.DetachRequest(**{"volume_id": NAME, "node_id": "a", "reason": "x", **fields})
        )
    )

    assert status is Status.INVALID_ARGUMENT
    assert words in message


async def test_a_detach_leaves_one_line_in_the_log(there: InCluster) -> None:
    await there.rig.create()

    with structlog.testing.capture_logs() as lines:
        await there.detach("a", reason="node a is gone")

    (line,) = [line for line in lines if line.get("method") == "Detach" and "code" in line]
    facts = {key: line[key] for key in ("code", "volume_id", "node_id", "reason")}
    assert facts == {"code": "OK", "volume_id": NAME, "node_id": "a", "reason": "node a is gone"}
    assert line["done"].startswith(f"volume {NAME} was not attached to a")


async def test_one_change_at_a_time_for_a_volume_over_both_apis(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")
    there.rig.device.faults.add(Fault(Action.HANG, "allow-host-name"))
    before = len(there.rig.device.lines)
    slow = asyncio.create_task(there.detach("a"))
    async with asyncio.timeout(PATIENCE):
        while not any("/disk/set" in line for line in there.rig.device.lines[before:]):
            await there.rig.identity.probe(csi.ProbeRequest())  # until it is on the device

    fence, _ = await error_of(there.fence("a"))
    unpublish, _ = await error_of(there.rig.unpublish("a"))
    await there.rig.device.restart()
    await asyncio.wait({slow})

    assert (fence, unpublish) == (Status.ABORTED, Status.ABORTED)
