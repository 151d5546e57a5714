"""Deletion: at once, or when the finalizers are gone; of this object, and no later one."""

import pytest

from libs.kube.errors import Answered, ObjectChanged, ObjectMissing
from tests.contract.kube.objects import (
    ATTACHMENTS,
    FINALIZER,
    attachment,
    config_map,
    events,
    version_of,
)
from tests.kube.worlds import World


async def test_what_has_no_finalizers_is_gone_at_once(world: World) -> None:
    await world.kube.create(world.maps, config_map("one"))

    await world.kube.delete(f"{world.maps}/one")

    assert await world.kube.get(f"{world.maps}/one") is None
    with pytest.raises(ObjectMissing):
        await world.kube.delete(f"{world.maps}/one")


async def test_what_has_finalizers_stays_until_they_are_taken_away(world: World) -> None:
    item = attachment(world.name())
    item["metadata"]["finalizers"] = [FINALIZER, FINALIZER + "-2"]
    path = f"{ATTACHMENTS}/{world.name()}"
    made = await world.kube.create(ATTACHMENTS, item)

    await world.kube.delete(path)
    going = await world.kube.get(path)
    await world.kube.delete(path)  # again: it changes nothing
    one_left = await world.kube.patch(path, {"metadata": {"finalizers": [FINALIZER + "-2"]}})
    await world.kube.patch(path, [{"op": "remove", "path": "/metadata/finalizers/0"}])

    assert going is not None
    assert going["metadata"]["deletionTimestamp"] >= made["metadata"]["creationTimestamp"]
    assert going["metadata"]["deletionTimestamp"] == one_left["metadata"]["deletionTimestamp"]
    assert await world.kube.get(path) is None


async def test_a_watch_tells_of_the_mark_and_then_of_the_end(world: World) -> None:
    item = attachment(world.name())
    item["metadata"]["finalizers"] = [FINALIZER]
    path = f"{ATTACHMENTS}/{world.name()}"
    made = await world.kube.create(ATTACHMENTS, item)
    await world.kube.delete(path)
    await world.kube.patch(path, {"metadata": {"finalizers": None}})

    told = [
        (kind, "deletionTimestamp" in one["metadata"], one["metadata"].get("finalizers"))
        async for kind, one in events(world.kube, ATTACHMENTS, version_of(made))
        if one["metadata"]["name"] == world.name()
    ]

    assert told[0] == ("MODIFIED", True, [FINALIZER])
    assert told[-1][:2] == ("DELETED", True)


async def test_what_is_going_gets_no_new_finalizers_and_does_not_come_back(world: World) -> None:
    path = f"{world.maps}/one"
    await world.kube.create(world.maps, config_map("one", finalizers=[FINALIZER]))
    await world.kube.delete(path)

    more = [FINALIZER, FINALIZER + "-2"]
    with pytest.raises(Answered) as caught:
        await world.kube.patch(path, {"metadata": {"finalizers": more}})
    after = await world.kube.patch(path, {"metadata": {"deletionTimestamp": None}})
    await world.kube.patch(path, {"metadata": {"finalizers": None}})

    assert caught.value.status == 422
    assert "deletionTimestamp" in after["metadata"]


async def test_a_deletion_can_be_of_one_object_and_no_later_one_of_that_name(
    world: World,
) -> None:
    path = f"{world.maps}/one"
    old = await world.kube.create(world.maps, config_map("one"))
    await world.kube.delete(path, uid=old["metadata"]["uid"], version=version_of(old))
    new = await world.kube.create(world.maps, config_map("one"))

    with pytest.raises(ObjectChanged):
        await world.kube.delete(path, uid=old["metadata"]["uid"])

    assert await world.kube.get(path) == new


async def test_a_deletion_can_be_of_the_version_that_was_read(world: World) -> None:
    path = f"{world.maps}/one"
    old = await world.kube.create(world.maps, config_map("one"))
    new = await world.kube.patch(path, {"data": {"a": "1"}})

    with pytest.raises(ObjectChanged):
        await world.kube.delete(path, version=version_of(old))
    await world.kube.delete(path, version=version_of(new))

    assert await world.kube.get(path) is None


async def test_a_name_can_be_used_again_by_another_object(world: World) -> None:
    first = await world.kube.create(world.maps, config_map("one"))
    await world.kube.delete(f"{world.maps}/one")

    second = await world.kube.create(world.maps, config_map("one"))

    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert int(version_of(second)) > int(version_of(first))
