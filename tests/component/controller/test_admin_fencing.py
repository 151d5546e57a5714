"""Fencing over the admin API: who is shut out, and who is let in again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status

from protos.gen.rdscsi.controller import v1 as admin
from services.controller.plan.attach import NOBODY
from tests.component.controller.admin_rig import (
    FENCED,
    HOSTS,
    InCluster,
    open_clustered,
)
from tests.component.controller.rig import Mode, block, error_of

Fencing = admin.FencingResult
State = admin.AttachmentState
Admission = admin.Admission
SHARED = block(Mode.MULTI_NODE_MULTI_WRITER)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    async with open_clustered(tmp_path, fencing=True, fencing_two_hosts="list") as there:
        yield there


# Fencing


async def test_a_node_is_fenced_and_let_in_again_and_again(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")

    seen = [await there.fence("a"), await there.fence("a")]
    shut_out = there.admitted
    back = [await there.unfence("a"), await there.unfence("a")]

    assert [answer.fencing for answer in seen] == [Fencing.CHANGED, Fencing.ALREADY]
    assert [answer.allowed_hosts for answer in seen] == [[], []]
    assert [answer.fencing for answer in back] == [Fencing.CHANGED, Fencing.ALREADY]
    assert [answer.allowed_hosts for answer in back] == [[HOSTS["a"]], [HOSTS["a"]]]
    assert (shut_out, there.admitted) == (NOBODY, HOSTS["a"])


async def test_the_other_end_of_a_migration_stays_when_one_is_fenced(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED, capability=SHARED)
    for node in ("a", "b"):
        await there.claim(node, attached=False)
        await there.rig.publish(node, capability=SHARED)
        await there.claim(node)

    await there.fence("a")
    one = there.admitted
    back = await there.unfence("a")

    assert one == HOSTS["b"]
    assert back.allowed_hosts == [HOSTS["b"], HOSTS["a"]]


async def test_a_fence_keeps_the_attachment(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")

    await there.fence("a")

    (attachment,) = (await there.attachments()).attachments
    assert (attachment.state, attachment.admission) == (State.ATTACHED, Admission.SHUT_OUT)


async def test_a_volume_that_is_not_fenced_cannot_shut_anybody_out(there: InCluster) -> None:
    await there.rig.create()
    await there.publish("a")

    status, message = await error_of(there.fence("a"))
    let_in = await there.unfence("a")

    assert status is Status.FAILED_PRECONDITION
    assert "is not fenced" in message
    assert let_in.fencing is Fencing.NOT_FENCED
    assert there.admitted == ""


async def test_fencing_that_is_switched_off_says_so(tmp_path: Path) -> None:
    async with open_clustered(tmp_path) as there:
        await there.rig.create()
        await there.publish("a")

        answers = [await error_of(there.fence("a")), await error_of(there.unfence("a"))]

        words = "the controller runs without --fencing"
        assert answers == [(Status.FAILED_PRECONDITION, words)] * 2


async def test_a_volume_that_is_not_there_cannot_be_fenced(there: InCluster) -> None:
    await there.claim("a")

    answers = [await error_of(there.fence("a")), await error_of(there.unfence("a"))]

    assert [status for status, _ in answers] == [Status.NOT_FOUND, Status.NOT_FOUND]


async def test_a_node_that_does_not_have_the_volume_is_not_let_in(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.claim("a", attached=False)

    pending, message = await error_of(there.unfence("a"))
    unknown, _ = await error_of(there.unfence("gone"))

    assert (pending, unknown) == (Status.FAILED_PRECONDITION, Status.NOT_FOUND)
    assert "is not attached to a" in message
    assert there.admitted == NOBODY


async def test_a_fence_is_for_the_attachment_that_was_seen(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")

    status, _ = await error_of(there.fence("a", attachment_uid="an earlier one"))

    assert status is Status.FAILED_PRECONDITION
    assert there.admitted == HOSTS["a"]
