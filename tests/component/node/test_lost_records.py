"""A volume that is in use, and of which the plugin's record is lost or does not say all."""

from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.component.controller.rig import error_of
from tests.component.node.blocks import SIZE
from tests.component.node.rig import (
    NAME,
    NodeRig,
    holding,
    mount_table,
    mounted,
    needs_mounts,
    publish_context,
    raw,
    write_safely,
)
from tests.component.node.ward import NQN, VOLUME, Ward

pytestmark = needs_mounts


def points(rig: NodeRig) -> list[tuple[str, str]]:
    return [(mount.source, mount.point) for mount in rig.mounts()]


async def test_a_stage_that_fails_for_good_leaves_a_mount_that_was_there_before_it(
    ward: Ward,
) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()
    write_safely(target / "data", "kept")
    await ward.rig.desk.records.drop(VOLUME)
    before = points(ward.rig)

    status, _ = await error_of(ward.rig.stage(mounted("ext4", "ro")))

    assert status is Status.ALREADY_EXISTS
    assert points(ward.rig) == before


async def test_a_filesystem_whose_disk_was_renumbered_is_never_mounted_twice(ward: Ward) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()
    before = points(ward.rig)

    async with holding(target / "open"):
        await ward.rig.desk.records.drop(VOLUME)
        await ward.fabrics.renumber(NQN)
        failures = [await error_of(ward.rig.stage()) for _ in range(3)]

        assert {status for status, _ in failures} == {Status.FAILED_PRECONDITION}
        assert points(ward.rig) == before


async def test_a_volume_that_was_staged_nowhere_is_not_taken_for_one_of_another_plugin(
    ward: Ward,
) -> None:
    await ward.rig.stage(raw())
    await ward.rig.desk.records.drop(VOLUME)
    request = csi.NodePublishVolumeRequest(
        volume_id=NAME,
        target_path=str(ward.rig.target()),
        volume_capability=raw(),
        publish_context=publish_context(NAME, "", SIZE),
    )

    status, text = await error_of(ward.rig.node.node_publish_volume(request))
    await ward.rig.stage(raw(), f"{NAME[:-1]}2")

    assert status is Status.FAILED_PRECONDITION
    assert "staging_target_path" in text
    assert ward.rig.desk.records.get(VOLUME) is None


async def test_a_publication_that_fails_for_good_leaves_a_mount_that_was_there_before_it(
    ward: Ward,
) -> None:
    await ward.rig.stage()
    idle = await ward.rig.publish()
    target = await ward.rig.publish(pod="pod-2")
    records = ward.rig.desk.records
    record = records.get(VOLUME)
    assert record is not None
    await records.put(record.without(str(idle)))

    async with holding(target / "open"):
        await ward.fabrics.renumber(NQN)
        status, _ = await error_of(ward.rig.publish())

        assert status is Status.FAILED_PRECONDITION
        assert mount_table().at(str(idle)) is not None
