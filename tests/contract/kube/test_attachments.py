"""VolumeAttachments and PersistentVolumes mean what they should, as an API server gives them."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.core.ids import VolumeId
from libs.kube.answers import Object
from libs.kube.attachments import (
    attachment_name,
    claims_of,
    join_all,
    read_attachment,
    read_volume,
    references,
)
from libs.kube.paths import PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from tests.contract.kube.objects import DRIVER, attachment, volume
from tests.kube.worlds import World

CSI = {"driver": DRIVER, "volumeHandle": "v"}
UUID = "0b7a7c5e-1f39-4d0a-9a55-3a0a3d1f0e11"


async def make_volume(world: World, handle: str, **spec: object) -> Object:
    item = volume(world.name("pv"), handle)
    item["spec"] |= spec
    return await world.kube.create(PERSISTENT_VOLUMES, item)


async def make_attachment(world: World, node: str, persistent: str, *, attached: bool) -> Object:
    item = attachment(attachment_name(persistent, DRIVER, f"{world.mark}-{node}"))
    item["spec"] |= {"nodeName": node, "source": {"persistentVolumeName": persistent}}
    made = await world.kube.create(VOLUME_ATTACHMENTS, item)
    if attached:
        path = f"{VOLUME_ATTACHMENTS}/{made['metadata']['name']}/status"
        made = await world.kube.patch(path, {"status": {"attached": True}})
    return made


async def clean(world: World, *attachments: Object) -> None:
    for item in attachments:
        await world.kube.delete(f"{VOLUME_ATTACHMENTS}/{item['metadata']['name']}")
    await world.kube.delete(f"{PERSISTENT_VOLUMES}/{world.name('pv')}")


async def test_a_claim_is_an_attachment_with_its_volume_and_the_older_one_is_the_older(
    world: World,
) -> None:
    handle = VolumeId.parse(f"pvc-{UUID}")
    began = datetime.now(UTC) - timedelta(minutes=5)
    made = await make_volume(world, handle.text)
    name = made["metadata"]["name"]
    items = [
        await make_attachment(world, "worker-1", name, attached=True),
        await make_attachment(world, "worker-2", name, attached=False),
    ]
    persistent = read_volume(made, DRIVER)
    read = [one for item in items if (one := read_attachment(item, DRIVER))]
    await clean(world, *items)
    assert persistent is not None

    claims = claims_of(join_all(read, [persistent]), handle)

    assert [(one.node, one.attached) for one in claims] == [("worker-1", True), ("worker-2", False)]
    assert len({one.identity for one in claims}) == 2
    assert all(one.since > began.timestamp() for one in claims)
    assert not any(one.is_orphan or one.read_only for one in claims)


async def test_an_attachment_whose_volume_is_gone_counts_for_the_volume_of_its_name(
    world: World,
) -> None:
    made = await make_attachment(world, "worker-1", f"pvc-{UUID}", attached=True)
    read = read_attachment(made, DRIVER)
    await make_volume(world, "unused")
    await clean(world, made)
    assert read is not None

    claims = join_all([read], [])

    for text in (f"pvc-{UUID}", f"pvc-{UUID}@b"):
        (claim,) = claims_of(claims, VolumeId.parse(text))
        assert (claim.node, claim.is_orphan) == ("worker-1", True)


@pytest.mark.parametrize(
    ("spec", "read_only", "authenticated"),
    [
        ({}, False, False),
        ({"accessModes": ["ReadOnlyMany"]}, True, False),
        (
            {
                "csi": {
                    "driver": DRIVER,
                    "volumeHandle": "v",
                    "volumeAttributes": {"auth": "dhchap"},
                }
            },
            False,
            True,
        ),
    ],
)
async def test_a_volume_says_how_it_may_be_used(
    world: World, spec: dict[str, object], *, read_only: bool, authenticated: bool
) -> None:
    claim = {"namespace": world.namespace, "name": "disk", "uid": "uid-of-claim"}
    made = await make_volume(world, "v", claimRef=claim, **spec)
    await clean(world)

    persistent = read_volume(made, DRIVER)

    assert persistent is not None
    assert (persistent.read_only, persistent.authenticated) == (read_only, authenticated)
    assert persistent.claim == (world.namespace, "disk")
    assert [(one.kind, one.name, one.uid) for one in references(persistent)] == [
        ("PersistentVolume", world.name("pv"), made["metadata"]["uid"]),
        ("PersistentVolumeClaim", "disk", "uid-of-claim"),
    ]


async def test_what_is_another_drivers_is_not_read(world: World) -> None:
    made = await make_volume(world, "v")
    item = await make_attachment(world, "worker-1", made["metadata"]["name"], attached=False)
    await clean(world, item)

    assert read_volume(made, "other.csi") is None
    assert read_attachment(item, "other.csi") is None
