"""A node is lost: its volumes go to another one, as soon as the thresholds say."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from libs.kube.attachments import attachment_name
from libs.kube.paths import NODES, VOLUME_ATTACHMENTS
from tests.e2e.objects import CLAIM, POD, claim, pod
from tests.e2e.programs import THRESHOLDS
from tests.e2e.world import World, until
from tests.kube.shipped import DRIVER, NAMESPACE

MOST_SECONDS = 15.0
"""How long it may take beyond the thresholds until a pod has the volume on another node."""

LEASE_SECONDS = 4.0
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rds-csi-reconciler"


@contextlib.asynccontextmanager
async def powerless(world: World, name: str = "node-1") -> AsyncIterator[None]:
    """Switch a node off; it boots, and is Ready without taints, when the block ends."""
    machine = world.site.machines[name]
    await asyncio.to_thread(machine.lose_power)
    try:
        yield
    finally:
        await asyncio.to_thread(machine.boot)
        if await world.kube.get(f"{NODES}/{name}") is not None:
            await world.kube.patch(f"{NODES}/{name}", {"spec": {"taints": None}})
        await world.until_ready([name])


async def start_first(world: World) -> str:
    """Have a pod write on the first node; return the volume."""
    await world.make(CLAIM, claim("data"))
    await world.make(POD, pod("first", "data", node="node-1", grace=0))
    await world.runs("first")
    await world.write("first", "kept")
    return await world.volume_of("data")


async def test_a_pod_starts_elsewhere_when_its_node_is_deleted(world: World) -> None:
    await start_first(world)
    async with powerless(world):
        began = time.monotonic()
        await world.kube.delete(f"{NODES}/node-1")
        await world.remove(POD, "first")
        await world.make(POD, pod("second", "data", node="node-2"))
        await world.runs("second")
        seconds = time.monotonic() - began
        text = await world.read("second")

    assert text == "kept"
    assert THRESHOLDS["node-gone"] <= seconds <= THRESHOLDS["node-gone"] + MOST_SECONDS


async def test_a_pod_starts_elsewhere_when_its_node_is_out_of_service(world: World) -> None:
    await start_first(world)
    async with powerless(world):
        await until_not_ready(world, "node-1")
        began = time.monotonic()
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute", "value": "off"}
        await world.kube.patch(f"{NODES}/node-1", {"spec": {"taints": [taint]}})
        await world.remove(POD, "first")
        await world.make(POD, pod("second", "data", node="node-2"))
        await world.runs("second")
        seconds = time.monotonic() - began
        text = await world.read("second")

    assert text == "kept"
    assert seconds <= THRESHOLDS["out-of-service"] + MOST_SECONDS


async def test_another_replica_ends_the_repair_that_a_killed_leader_began(world: World) -> None:
    volume = await start_first(world)
    old = f"{VOLUME_ATTACHMENTS}/{attachment_name(volume, DRIVER, 'node-1')}"
    async with powerless(world), stuck_sidecars(world):
        await world.kube.delete(f"{NODES}/node-1")
        await world.remove(POD, "first")
        await until("the leader has begun", lambda: is_going(world, old))
        leader = await leads(world)
        async with killed(world, leader):
            limit = LEASE_SECONDS + THRESHOLDS["stuck"] + MOST_SECONDS
            await world.path_gone(old, limit)
            heir = await leads(world)
        for sidecars in world.site.sidecars:
            sidecars.go_on()
        await world.make(POD, pod("second", "data", node="node-2"))
        await world.runs("second")
        text = await world.read("second")

    assert text == "kept"
    assert heir != leader


async def until_not_ready(world: World, name: str) -> None:
    async def look() -> bool:
        node = await world.kube.get(f"{NODES}/{name}")
        conditions = ((node or {}).get("status") or {}).get("conditions") or []
        return any(one["type"] == "Ready" and one["status"] != "True" for one in conditions)

    await until(f"{name} is missed", look)


async def is_going(world: World, path: str) -> bool:
    item = await world.kube.get(path)
    return item is not None and bool(item["metadata"].get("deletionTimestamp"))


async def leads(world: World) -> str:
    """Return which replica leads."""
    lease = await world.kube.get(LEASE)
    assert lease is not None
    holder = str(lease["spec"].get("holderIdentity"))
    return next(name for name in world.site.reconcilers if holder.startswith(name))


@contextlib.asynccontextmanager
async def stuck_sidecars(world: World) -> AsyncIterator[None]:
    """Have the sidecars hang until the block ends, if not sooner."""
    for sidecars in world.site.sidecars:
        sidecars.hold()
    try:
        yield
    finally:
        for sidecars in world.site.sidecars:
            sidecars.go_on()


@contextlib.asynccontextmanager
async def killed(world: World, name: str) -> AsyncIterator[None]:
    """Have a replica of the reconciler be dead until the block ends."""
    replica = world.site.reconcilers[name]
    await asyncio.to_thread(replica.stop, at_once=True)
    try:
        yield
    finally:
        replica.start()
