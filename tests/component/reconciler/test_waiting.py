"""What waits on account of what is on devices is seen to in time, though nothing happens."""

from collections.abc import Awaitable

from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.reconciler.rig import HOST, World, volume
from tests.waiting import eventually, until


async def test_how_long_an_orphan_has_waited_is_saved_again_and_again(world: World) -> None:
    async with world.replica(orphan_grace=30.0) as replica:
        await eventually(lambda: has_begun(replica.status()))
        world.controller.volumes.append(volume(1))
        await replica.run_pass()
        before = world.memory["savedAt"]

        await until(lambda: world.memory["savedAt"] > before)

    assert world.memory["firstSeen"]


async def test_a_node_that_is_let_in_wrongly_is_shut_out_when_its_time_has_come(
    world: World,
) -> None:
    name = volume(1)
    async with world.replica(fencing_grace=1.0) as replica:
        await eventually(lambda: has_begun(replica.status()))
        world.controller.volumes.append(name)
        world.controller.fenced[name] = {HOST.format("b")}
        await world.persist(name)
        await replica.run_pass()

        await until(lambda: bool(world.controller.calls))

    assert world.controller.calls[0] == ("fence", name, "b")


async def test_what_fails_on_account_of_a_listing_is_tried_again_less_and_less_often(
    world: World,
) -> None:
    name = volume(1)
    world.controller.failing = {name}
    async with world.replica(
        fencing_grace=0.0, backoff_first=0.3, backoff_longest=3600.0
    ) as replica:
        await eventually(lambda: has_begun(replica.status()))
        world.controller.volumes.append(name)
        world.controller.fenced[name] = {HOST.format("b")}
        await world.persist(name)
        await world.attached_volumes("d", 2)
        await replica.run_pass()

        await eventually(lambda: has_failed(replica.findings(), 3))
        # A pass for an event, which lists no devices, does not make it forgotten.
        await world.delete_node("d")
        await until(lambda: not world.attached)
        await eventually(lambda: has_failed(replica.findings(), 4))


async def has_begun(asked: Awaitable[api.GetStatusResponse]) -> bool:
    """Whether both passes of a new leader are over: the quick one, and the full one."""
    last = (await asked).last_pass
    return last is not None and last.number >= 2


async def has_failed(asked: Awaitable[list[api.Finding]], times: int) -> bool:
    return any(finding.failures >= times for finding in await asked)
