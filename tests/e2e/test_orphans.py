"""Volumes that were made behind the cluster's back."""

import asyncio
import uuid

from grpclib.client import Channel

from protos.gen.csi import v1 as csi
from tests.e2e.objects import CLAIM, POD, claim, pod
from tests.e2e.sidecars.serving import capability
from tests.e2e.world import World, until

GRACE = 60.0
"""Seconds after which something counts as an orphan; see `reconciler_command`."""


async def make_orphan(world: World) -> str:
    """Make a volume as somebody does who calls the driver past the cluster; return its ID."""
    channel = Channel(path=str(world.site.csi_socket))
    request = csi.CreateVolumeRequest(
        name=f"pvc-{uuid.uuid4()}",
        capacity_range=csi.CapacityRange(required_bytes=64 * 2**20),
        volume_capabilities=[capability({"accessModes": ["ReadWriteOnce"]}, "ext4")],
    )
    try:
        answer = await csi.ControllerStub(channel, timeout=30).create_volume(request)
    finally:
        channel.close()
    assert answer.volume is not None
    return answer.volume.volume_id


async def test_an_orphan_goes_when_it_is_approved_and_not_before(world: World) -> None:
    orphan = await make_orphan(world)
    await world.make(CLAIM, claim("kept"))
    await world.make(POD, pod("user", "kept"))
    await world.runs("user")
    kept = await world.volume_of("kept")

    async def is_held_back() -> str:
        words = ("findings", "--state", "held-back", "--volume", orphan, "-o", "json")
        done = await asyncio.to_thread(world.site.rdsctl, *words)
        return done.stdout if orphan in done.stdout else ""

    why = await until("the orphan is old enough to go", is_held_back, GRACE + 30.0)
    looked = await asyncio.to_thread(world.site.rdsctl, "reconcile", "--yes")
    listed = await asyncio.to_thread(world.site.rdsctl, "orphans", "list", "-o", "json")
    before = await asyncio.to_thread(world.device.volumes)
    refused = await asyncio.to_thread(world.site.rdsctl, "orphans", "approve", kept, "--yes")
    approved = await asyncio.to_thread(
        world.site.rdsctl, "orphans", "approve", orphan, "--yes", "--reason", "made by a test"
    )

    async def is_gone() -> bool:
        return orphan not in await asyncio.to_thread(world.device.volumes)

    await until("the orphan is removed", is_gone)
    assert looked.returncode == 0, looked.stderr
    assert "dry run" in why
    assert orphan in listed.stdout
    assert kept not in listed.stdout
    assert before == {orphan, kept}
    assert refused.returncode != 0
    assert approved.returncode == 0, approved.stderr
    assert await asyncio.to_thread(world.device.volumes) == {kept}
