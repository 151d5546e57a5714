"""What is not known proves nothing, and what fails stops nothing else."""

from collections.abc import Awaitable
from typing import Any

import pytest

from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.reconciler.rig import Replica, World, volume
from tests.fakes.apiserver import VOLUMES
from tests.waiting import eventually, until

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
REMOVING: dict[str, Any] = {
    "orphans_dry_run": False,
    "orphan_grace": 0.0,
    "max_orphans_percent": 100,
}


async def test_an_orphan_is_removed_and_what_is_referred_to_stays(world: World) -> None:
    world.controller.volumes += [volume(1), volume(2)]
    await world.persist(volume(2))

    async with world.replica(**REMOVING):
        await until(lambda: world.controller.volumes == [volume(2)])
        await until(lambda: "OrphanRemoved" in world.reasons())

    assert world.controller.calls == [("delete", volume(1), "")]
    assert len(world.memory["removals"]) == 1


@pytest.mark.parametrize("fault", ["cut", "lying"])
async def test_a_listing_that_is_not_whole_removes_nothing(world: World, fault: str) -> None:
    world.controller.volumes += [volume(1), volume(2)]
    await world.persist(volume(2))
    setattr(world.controller, fault, True)

    async with world.replica(**REMOVING) as replica:
        first = await replica.run_pass()
        calls = list(world.controller.calls)
        setattr(world.controller, fault, False)
        second = await replica.run_pass()

    assert first.pass_ is not None
    assert second.pass_ is not None
    assert first.pass_.result is api.PassResult.INCOMPLETE
    assert calls == []
    assert second.pass_.actions_done == 1


async def test_without_what_is_remembered_no_replica_says_that_all_is_well(world: World) -> None:
    memory = {
        "metadata": {"name": "rds-csi-reconciler-memory"},
        "data": {"memory": "{nonsense"},
    }
    await world.api.put(CONFIG_MAPS, memory)

    async with world.replica() as leader, world.replica(leads=False) as other:
        for replica in (leader, other):

            async def has_failed(of: Replica = replica) -> bool:
                last = (await of.status()).last_pass
                return last is not None and last.result is api.PassResult.FAILED

            await eventually(has_failed)
            answer = await replica.stub.list_findings(api.ListFindingsRequest())
            assert answer.as_of is None


async def test_volumes_that_cannot_be_listed_in_the_cluster_remove_nothing(world: World) -> None:
    world.controller.volumes += [volume(1)]
    world.api.refusals = {f"GET {VOLUMES}": 403}

    async with world.replica(**REMOVING) as replica:
        done = await replica.run_pass()

    assert done.pass_ is not None
    assert done.pass_.result is api.PassResult.INCOMPLETE
    assert world.controller.volumes == [volume(1)]


async def test_a_controller_that_was_away_is_found_again_and_the_work_is_done(
    world: World,
) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.away = True

    async with world.replica() as replica:
        await world.delete_node("a")
        await eventually(lambda: says(replica.findings(), "does not say what is attached"))
        untouched = world.attached
        world.controller.away = False
        await until(lambda: not world.attached)

    assert untouched == {(name, "a")}


async def test_half_of_the_actions_failing_does_not_stop_the_other_half(world: World) -> None:
    names = await world.attached_volumes("a", *range(1, 13))
    world.controller.failing = set(names[::2])

    async with world.replica() as replica:
        await world.delete_node("a")
        await until(lambda: {one for one, _ in world.attached} == world.controller.failing)
        await eventually(lambda: all_back_off(replica.findings()))
        findings = await replica.findings()
        world.controller.failing = set()
        await until(lambda: not world.attached)

    assert all("the device said no" in finding.last_error for finding in findings)
    assert "VolumeDetachedFailed" in world.reasons()


async def test_an_action_that_hangs_does_not_hold_up_the_others(world: World) -> None:
    names = await world.attached_volumes("a", 1, 2, 3)
    world.controller.hanging = {names[0]}

    async with world.replica():
        await world.delete_node("a")
        await until(lambda: world.attached == {(names[0], "a")})

    assert world.controller.calls.count(("detach", names[0], "a")) == 1


async def test_a_failing_object_is_tried_less_and_less_often(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.failing = {name}

    async with world.replica(backoff_first=0.1, backoff_longest=3600.0) as replica:
        await world.delete_node("a")
        await eventually(lambda: has_failed(replica.findings(), 4))
        (finding,) = await replica.findings()

    assert finding.state is api.FindingState.BACKING_OFF
    assert finding.next_try_at is not None
    assert finding.last_seen_at is not None
    assert (finding.next_try_at - finding.last_seen_at).total_seconds() > 0.3


async def test_a_watch_that_is_too_old_leaves_no_gap(world: World) -> None:
    await world.attached_volumes("a", 1)

    async with world.replica() as replica:
        await eventually(replica.leads)
        async with world.api.running.away(forgets=True):
            await world.delete_node("a")
        await until(lambda: not world.attached)

    assert "VolumeDetached" in world.reasons()


async def test_a_device_that_reconnects_is_listed_anew(world: World) -> None:
    async with world.replica() as replica:
        await eventually(lambda: has_begun(replica.status()))
        before = world.controller.inventories

        await world.controller.reconnect()
        await until(lambda: world.controller.inventories > before)
        await eventually(lambda: has_passed(replica.status(), api.Trigger.RECONNECT))

    assert world.controller.calls == []


async def test_a_device_that_reconnects_while_an_event_waits_is_listed_anew(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.hanging = {name}
    async with world.replica() as replica:
        await eventually(lambda: has_begun(replica.status()))
        before = world.controller.inventories

        await world.delete_node("a")
        await until(lambda: bool(world.controller.calls), "a pass waits for what hangs")
        await world.node("b", ready=False)
        await eventually(lambda: has_event(replica.status()), "the next pass waits")
        await world.controller.reconnect()
        await until(lambda: world.controller.inventories > before)


async def test_what_backs_off_is_tried_when_a_device_reconnects_while_an_event_waits(
    world: World,
) -> None:
    failing, hanging = await world.attached_volumes("a", 1, 2)
    world.controller.failing, world.controller.hanging = {failing}, {hanging}
    async with world.replica(backoff_first=3600.0, backoff_longest=3600.0) as replica:
        await eventually(lambda: has_begun(replica.status()))

        await world.delete_node("a")
        await until(lambda: len(world.controller.calls) == 2, "a pass waits for what hangs")
        await world.node("b", ready=False)
        await eventually(lambda: has_event(replica.status()), "the next pass waits")
        world.controller.failing = set()
        await world.controller.reconnect()
        await until(lambda: world.attached == {(hanging, "a")})


async def test_snapshots_are_left_alone_until_their_kind_is_listed(world: World) -> None:
    world.api.refusals = {"GET /apis/snapshot.storage.k8s.io": 500}
    world.controller.volumes += [volume(1)]

    async with world.replica(**REMOVING) as replica:
        done = await replica.run_pass()

    assert done.pass_ is not None
    assert "VolumeSnapshotContents" in done.pass_.message
    assert world.controller.volumes == [volume(1)]


async def test_nothing_is_done_while_what_people_decided_cannot_be_read(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    memory = {"metadata": {"name": "rds-csi-reconciler-memory"}, "data": {"memory": "{"}}
    await world.api.put(CONFIG_MAPS, memory)

    async with world.replica() as replica:
        await world.delete_node("a")
        done = await replica.run_pass()
        untouched, calls = world.attached, list(world.controller.calls)
        await world.api.remove(CONFIG_MAPS, "rds-csi-reconciler-memory")
        await until(lambda: not world.attached, "it has begun anew")

    assert done.pass_ is not None
    assert done.pass_.result is api.PassResult.FAILED
    assert "memory cannot be read" in done.pass_.message
    assert (untouched, calls) == ({(name, "a")}, [])


async def says(asked: Awaitable[list[api.Finding]], words: str) -> bool:
    return any(words in finding.next for finding in await asked)


async def all_back_off(asked: Awaitable[list[api.Finding]]) -> bool:
    found = await asked
    return bool(found) and all(f.state is api.FindingState.BACKING_OFF for f in found)


async def has_failed(asked: Awaitable[list[api.Finding]], times: int) -> bool:
    return any(finding.failures >= times for finding in await asked)


async def has_begun(asked: Awaitable[api.GetStatusResponse]) -> bool:
    """Whether both passes of a new leader are over: the quick one, and the full one."""
    last = (await asked).last_pass
    return last is not None and last.number >= 2


async def has_event(asked: Awaitable[api.GetStatusResponse]) -> bool:
    """Whether something has happened that no pass has been run for yet."""
    return any(queue.name == "events" and queue.length for queue in (await asked).queues)


async def has_passed(asked: Awaitable[api.GetStatusResponse], trigger: api.Trigger) -> bool:
    last = (await asked).last_pass
    return last is not None and last.trigger is trigger
