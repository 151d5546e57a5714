"""What a person approved is removed once, and what is put back stays."""

import pytest

from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.reconciler.rig import Replica, World, volume
from tests.waiting import eventually, until


async def approve(replica: Replica, name: str) -> None:
    async def is_known() -> bool:
        return any(finding.orphan for finding in await replica.findings())

    await eventually(is_known)
    ref = api.OrphanRef(id=name)
    await replica.stub.approve_orphan(api.ApproveOrphanRequest(orphan=ref, reason="old"))


async def decided(replica: Replica) -> list[str]:
    answer = await replica.stub.list_decisions(api.ListDecisionsRequest())
    return [orphan.id for orphan in answer.orphans]


@pytest.mark.parametrize("is_answered", [True, False])
async def test_what_was_removed_and_is_put_back_is_not_removed_again(
    world: World, *, is_answered: bool
) -> None:
    name = volume(1)
    world.controller.volumes.append(name)
    world.controller.forgetful = set() if is_answered else {name}
    async with world.replica() as replica:
        await approve(replica, name)
        await until(lambda: name not in world.controller.volumes)
        world.controller.volumes.append(name)
        await replica.run_pass()
        await replica.run_pass()
        left = await decided(replica)

    assert world.controller.calls == [("delete", name, "")]
    assert world.controller.volumes == [name]
    assert left == []


async def test_an_approval_that_was_not_carried_out_ends_with_an_import(world: World) -> None:
    name = volume(1)
    world.controller.volumes.append(name)
    async with world.replica() as replica:
        await replica.stub.pause(api.PauseRequest(reason="to import it"))
        await approve(replica, name)
        await replica.run_pass()
        before = await decided(replica)
        await world.persist(name)
        await replica.run_pass()
        after = await decided(replica)

    assert (before, after) == ([name], [])


async def test_an_approval_outlasts_a_removal_that_the_device_refused(world: World) -> None:
    name = volume(1)
    world.controller.volumes.append(name)
    world.controller.failing = {name}
    async with world.replica(backoff_first=0.1, backoff_longest=0.1) as replica:
        await approve(replica, name)
        await until(lambda: ("delete", name, "") in world.controller.calls)

        async def is_given_back() -> bool:
            return world.memory["removals"] == [] and await decided(replica) == [name]

        await eventually(is_given_back)
        world.controller.failing = set()

        async def is_gone() -> bool:
            await replica.run_pass()
            return world.controller.volumes == []

        await eventually(is_gone)
