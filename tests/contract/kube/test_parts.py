"""Parts of objects that are changed apart or not at all, leases, and who may."""

from typing import Any

import pytest

from libs.kube.client import open_kube
from libs.kube.errors import Answered, Forbidden
from tests.contract.kube.objects import (
    ATTACHMENTS,
    DRIVER,
    NODES,
    VOLUMES,
    attachment,
    config_map,
    lease,
    node,
    volume,
)
from tests.kube.worlds import World

NOW = "2026-01-01T00:00:00.000000Z"


# Parts that are apart, and parts that are fixed


async def test_the_status_of_an_attachment_is_a_resource_of_its_own(world: World) -> None:
    path = f"{ATTACHMENTS}/{world.name()}"
    await world.kube.create(ATTACHMENTS, attachment(world.name()))
    try:
        ignored = await world.kube.patch(path, {"status": {"attached": True}})
        change = {"status": {"attached": True}, "metadata": {"labels": {"a": "b"}}}
        written = await world.kube.patch(f"{path}/status", change)
        with pytest.raises(Answered) as caught:
            await world.kube.patch(path, {"spec": {"nodeName": "worker-2"}})
    finally:
        await world.kube.delete(path)

    assert not ignored["status"]["attached"]
    assert written["status"]["attached"] is True
    assert caught.value.status == 422


async def test_the_source_of_a_volume_is_fixed(world: World) -> None:
    path = f"{VOLUMES}/{world.name()}"
    await world.kube.create(VOLUMES, volume(world.name(), "pvc-1"))
    try:
        with pytest.raises(Answered) as caught:
            await world.kube.patch(path, {"spec": {"csi": {"volumeHandle": "pvc-2"}}})
        with pytest.raises(Answered) as missing:
            await world.kube.create(VOLUMES, {"metadata": {"name": world.name("two")}})
    finally:
        await world.kube.patch(path, {"metadata": {"finalizers": None}})
        await world.kube.delete(path)

    assert (caught.value.status, missing.value.status) == (422, 422)


async def test_the_spec_and_the_status_of_a_node_are_changed_apart(world: World) -> None:
    path = f"{NODES}/{world.name()}"
    await world.kube.create(NODES, node(world.name()))
    try:
        used = {"status": {"volumesInUse": [f"kubernetes.io/csi/{DRIVER}^pvc-1"]}}
        ignored = await world.kube.patch(path, used)
        written = await world.kube.patch(f"{path}/status", used)
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
        tainted = await world.kube.patch(path, {"spec": {"taints": [taint]}})
    finally:
        await world.kube.delete(path)

    assert "volumesInUse" not in (ignored.get("status") or {})
    assert written["status"]["volumesInUse"] == used["status"]["volumesInUse"]
    assert tainted["status"]["volumesInUse"] == used["status"]["volumesInUse"]
    assert [one["key"] for one in tainted["spec"]["taints"]][-1] == taint["key"]


BAD_LEASES: list[tuple[dict[str, Any], int]] = [
    ({"leaseDurationSeconds": 0}, 422),
    ({"leaseTransitions": -1}, 422),
    ({"renewTime": "2026-01-01T00:00:00Z"}, 400),
    ({"renewTime": "yesterday"}, 400),
    ({"leaseDurationSeconds": "15"}, 400),
]


@pytest.mark.parametrize(("spec", "status"), BAD_LEASES)
async def test_a_lease_that_makes_no_sense_is_refused(
    world: World, spec: dict[str, Any], status: int
) -> None:
    with pytest.raises(Answered) as caught:
        await world.kube.create(world.leases, lease("one", **spec))

    assert caught.value.status == status


async def test_a_lease_keeps_its_times_to_the_microsecond_and_an_empty_holder(
    world: World,
) -> None:
    spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": NOW, "acquireTime": NOW}

    made = await world.kube.create(world.leases, lease("one", **spec, leaseTransitions=3))

    assert made["spec"] == {**spec, "leaseTransitions": 3}


# Who may


async def test_who_is_not_known_is_told_so_and_who_may_not_is_told_what(world: World) -> None:
    async with open_kube(world.kubeconfig_of_stranger()) as stranger:
        with pytest.raises(Forbidden, match="403 to list /api/v1/nodes: RBAC") as caught:
            _ = [page async for page in stranger.list(NODES)]
        with pytest.raises(Forbidden, match="403 to create"):
            await stranger.create(world.maps, config_map("one"))

    assert 'User \\"stranger\\" cannot list resource \\"nodes\\"' in caught.value.detail
