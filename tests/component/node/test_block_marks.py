"""A volume that was used as a raw block device is never formatted: who could tell what is data?"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.csikit.capability import Mode
from services.node.ports import Marks
from tests.component.controller.rig import error_of
from tests.component.node.clusters import DRIVER, VOLUME, World, attachment, open_world, volume
from tests.component.node.rig import NAME, NodeRig, mounted, needs_mounts, open_rig, raw
from tests.component.node.ward import Ward
from tests.fakes.apiserver import ATTACHMENTS, VOLUMES

pytestmark = needs_mounts
RAW = "raw block"


@pytest.fixture
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with open_world(tmp_path_factory.mktemp("api")) as world:
        await world.api.put(VOLUMES, volume())
        await world.api.put(ATTACHMENTS, attachment())
        yield world


def mark_in(rig: NodeRig) -> Path:
    return rig.settings.state_directory / "formatted" / NAME


async def write_rows(rig: NodeRig) -> bytes:
    """Write what a database without a filesystem writes, as a pod, and return the whole volume."""
    await rig.stage(raw())
    with (await rig.publish(raw())).open("r+b") as file:
        file.seek(1 << 16)
        file.write(b"rows" * 4096)
    await rig.unpublish()
    await rig.unstage()
    return (rig.images / f"{NAME}.img").read_bytes()


async def test_data_of_a_raw_block_volume_that_looks_like_nothing_is_never_formatted(
    rig: NodeRig,
) -> None:
    before = await write_rows(rig)

    status, text = await error_of(rig.stage(mounted()))

    assert status is Status.FAILED_PRECONDITION
    assert "volumeMode Block" in text
    assert (rig.images / f"{NAME}.img").read_bytes() == before


async def test_what_was_a_raw_block_volume_on_another_node_is_not_formatted(ward: Ward) -> None:
    ward.cluster.marks = Marks(formatted=RAW)

    status, text = await error_of(ward.rig.stage())

    assert status is Status.FAILED_PRECONDITION
    assert "annotation <driver>/formatted" in text
    assert not any((ward.rig.images / f"{NAME}.img").read_bytes())


async def test_a_volume_whose_marks_were_removed_may_be_formatted(ward: Ward) -> None:
    ward.cluster.marks = Marks()
    await ward.rig.stage(raw())
    await ward.rig.unstage()
    marked = ward.cluster.marks

    ward.cluster.marks = Marks()
    mark_in(ward.rig).unlink()
    await ward.rig.stage()

    assert marked.formatted == RAW
    assert len(ward.rig.mounts()) == 1


async def test_a_volume_that_is_only_read_as_a_raw_block_device_is_marked_too(ward: Ward) -> None:
    ward.cluster.marks = Marks()

    await ward.rig.stage(raw(Mode.MULTI_NODE_READER_ONLY))

    assert ward.cluster.marks.formatted == RAW


async def test_a_mark_that_could_not_be_made_is_made_at_the_next_call(ward: Ward) -> None:
    ward.cluster.marks = Marks()
    ward.cluster.is_away = True
    await ward.rig.stage(raw())
    before = ward.cluster.marks

    ward.cluster.is_away = False
    await ward.rig.publish(raw())

    assert before == Marks()
    assert ward.cluster.marks.formatted == RAW


async def test_a_filesystem_that_a_volume_had_is_not_forgotten_over_its_use_as_a_block_device(
    rig: NodeRig,
) -> None:
    await rig.stage()
    await rig.unstage()
    before = mark_in(rig).read_text()

    await rig.stage(raw())

    assert before.startswith("ext4 ")
    assert mark_in(rig).read_text() == before


async def test_the_cluster_is_told_once_however_many_nodes_and_pods_use_a_volume(
    host: Path, world: World
) -> None:
    for node in ("one", "two"):
        async with open_rig(host, cluster=world.cluster, state_directory=host / node) as rig:
            await rig.stage(raw())
            await rig.publish(raw())
            asked = world.asked(f"GET {VOLUME}")
            await rig.publish(raw(), "pod-2")
            again = world.asked(f"GET {VOLUME}")
            for pod in ("pod-1", "pod-2"):
                await rig.unpublish(pod)
            await rig.unstage()

            assert again == asked > 0

    assert world.annotations(VOLUME) == {f"{DRIVER}/formatted": RAW}
    assert world.asked(f"PATCH {VOLUME}") == 1
