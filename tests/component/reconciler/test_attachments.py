"""Attachments that stayed behind are taken away, and nothing else is."""

from collections.abc import Awaitable

from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.reconciler.rig import Replica, World, volume
from tests.fakes.apiserver import ATTACHMENTS, NODES
from tests.waiting import eventually, until


async def test_the_attachments_of_a_deleted_node_go_with_their_finalizers(world: World) -> None:
    names = await world.attached_volumes("a", 1, 2)
    (kept,) = await world.attached_volumes("b", 3)

    async with world.replica():
        await world.delete_node("a")
        await until(lambda: world.attached == {(kept, "b")}, "only b has a volume")

    assert set(world.controller.calls) == {("detach", name, "a") for name in names}


async def test_each_step_is_told_by_an_event_on_its_object(world: World) -> None:
    await world.attached_volumes("a", 1)

    async with world.replica():
        await world.delete_node("a")
        await until(lambda: not world.attached)

    told = {(e["involvedObject"]["kind"], e["reason"]) for e in world.api.events()}
    assert told == {
        ("VolumeAttachment", "VolumeDetached"),
        ("PersistentVolume", "VolumeDetached"),
        ("VolumeAttachment", "AttachmentDeleted"),
        ("VolumeAttachment", "FinalizerRemoved"),
        ("PersistentVolume", "StaleAttachmentCleared"),
    }


async def test_a_node_out_of_service_loses_what_it_reported_in_use(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)

    async with world.replica():
        await world.node("a", ready=False, out_of_service=True, in_use=[name])
        await until(lambda: not world.attached)

    assert world.controller.calls == [("detach", name, "a")]


async def test_a_node_that_is_not_ready_keeps_what_it_reported_in_use(world: World) -> None:
    used, unused = await world.attached_volumes("a", 1, 2)

    async with world.replica() as replica:
        await world.node("a", ready=False, in_use=[used])
        await until(lambda: world.attached == {(used, "a")})
        await eventually(lambda: has_one(replica.findings()))
        (finding,) = [
            f for f in await replica.findings() if f.subject and f.subject.volume_id == used
        ]

    assert world.controller.calls == [("detach", unused, "a")]
    assert finding.state is api.FindingState.FOR_PEOPLE
    assert "kubectl taint nodes a node.kubernetes.io/out-of-service" in finding.next


async def test_a_node_that_comes_back_in_time_keeps_everything(world: World) -> None:
    await world.attached_volumes("a", 1)

    async with world.replica(not_ready=3600.0) as replica:
        await world.node("a", ready=False)
        await eventually(lambda: has_kind(replica.kinds(), "NODE_NOT_READY"))
        await world.node("a")
        await eventually(lambda: is_empty(replica.kinds()))

    assert world.attached == {(volume(1), "a")}
    assert world.controller.calls == []


async def test_a_fenced_volume_is_fenced_before_it_is_detached(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.fenced[name] = {"a"}

    async with world.replica():
        await world.node("a", ready=False)
        await until(lambda: not world.attached)

    assert world.controller.calls == [("fence", name, "a"), ("detach", name, "a")]


async def test_a_stuck_attachment_loses_only_our_finalizer_and_only_when_detached(
    world: World,
) -> None:
    (name,) = await world.attached_volumes("a", 1)
    ((key, item),) = world.api.objects[ATTACHMENTS].items()
    finalizers = [*item["metadata"]["finalizers"], "example.com/other"]
    item["metadata"]["finalizers"] = finalizers
    await world.api.put(ATTACHMENTS, item)

    async with world.replica():
        await world.delete_node("a")
        await until(lambda: len(finalizers_of(world, key)) == 1)

    assert world.controller.calls == [("detach", name, "a")]
    assert finalizers_of(world, key) == ["example.com/other"]


async def test_repair_does_not_wait_for_devices_that_are_being_listed(world: World) -> None:
    await world.attached_volumes("a", 1)
    world.controller.listing.clear()

    async with world.replica(debounce=0.5) as replica:
        await until(lambda: world.controller.inventories > 0, "the devices are being listed")
        await world.delete_node("a")
        await until(lambda: world.controller.calls, "it acts")
        # Which pass sees that the node is gone, the first or the one for it, is as it comes.
        await eventually(lambda: has_passed(replica), "a pass ends")
        last = (await replica.status()).last_pass
        world.controller.listing.set()

    assert last is not None
    assert last.trigger in (api.Trigger.START, api.Trigger.NODE)


async def has_passed(replica: Replica) -> bool:
    return (await replica.status()).last_pass is not None


async def test_a_volume_that_comes_back_for_its_node_is_left_alone(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)

    async with world.replica(node_gone=3600.0) as replica:
        await world.delete_node("a")
        await eventually(lambda: has_kind(replica.kinds(), "NODE_GONE"))
        await world.node("a")
        await eventually(lambda: is_empty(replica.kinds()))

    assert world.attached == {(name, "a")}
    assert world.controller.calls == []


async def test_a_node_that_turned_ready_unnoticed_keeps_its_volumes(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)

    # Time enough to turn ready before it is over, on a machine that stands still for a while, too.
    async with world.replica(not_ready=8.0) as replica:
        await world.node("a", ready=False)
        await eventually(lambda: has_kind(replica.kinds(), "NODE_NOT_READY"))
        world.api.frozen.add(NODES)
        await world.node("a")
        await until(lambda: f"GET {NODES}/a" in world.api.requests, "it is read once more")
        await eventually(lambda: has_dropped(replica.status()))

    assert world.controller.calls == []
    assert world.attached == {(name, "a")}


async def has_dropped(asked: Awaitable[api.GetStatusResponse]) -> bool:
    last = (await asked).last_pass
    return last is not None and last.actions_planned == 1 and last.actions_done == 0


def finalizers_of(world: World, key: str) -> list[str]:
    return list(world.api.objects[ATTACHMENTS][key]["metadata"]["finalizers"])


async def has_kind(asked: Awaitable[set[str]], kind: str) -> bool:
    return kind in await asked


async def has_one(asked: Awaitable[list[api.Finding]]) -> bool:
    return len(await asked) == 1


async def is_empty(asked: Awaitable[set[str]]) -> bool:
    return not await asked
