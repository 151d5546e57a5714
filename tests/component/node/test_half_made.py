"""What only a plugin that was killed leaves: half a filesystem, half a publication."""

import hashlib
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from grpclib.const import Status

from libs.core.ids import Nqn, VolumeId
from libs.nvmeof.model import Target
from libs.nvmeof.mounter import make_node
from services.node.adapters.records import open_records
from services.node.volume import Publication, Record, Use
from tests.component.controller.rig import error_of
from tests.component.node.killing import (
    SUM,
    leftovers,
    sum_of,
    write,
)
from tests.component.node.loops import run as tool
from tests.component.node.rig import (
    MIB,
    NAME,
    PREFIX,
    SIZES,
    mounted,
    needs_mounts,
    open_rig,
    raw,
    settings_for,
)

pytestmark = needs_mounts
TARGET = Target(Nqn.parse(f"{PREFIX}:{NAME}"), "192.0.2.2", 4420)


# What only a killed mkfs leaves


def half_made(image: Path, kind: str = "xfs") -> UUID:
    """Make an XFS filesystem as mkfs.xfs leaves it when it is killed before its last write."""
    uuid = uuid4()
    with image.open("wb") as file:
        file.truncate(SIZES[kind])
    tool("mkfs.xfs", "-q", "-K", "-m", f"uuid={uuid}", image)
    tool("xfs_db", "-x", "-c", "sb 0", "-c", "write -d inprogress 1", image)
    return uuid


async def leave_record(path: Path, kind: str, begun: UUID | None = None, *at: Path) -> None:
    """Write the record that a killed plugin leaves."""
    use = Use(
        volume=VolumeId.parse(NAME),
        target=TARGET,
        staging=str(path / "kubelet" / "plugins" / NAME / "globalmount"),
        fs_type=kind,
        size=SIZES.get(kind, 64 * MIB),
    )
    publications = tuple(Publication(str(each)) for each in at)
    settings = settings_for(path)
    await (await open_records(settings.state_directory)).put(Record(use, begun, publications))


async def test_a_half_made_xfs_that_this_node_began_is_made_again(host: Path) -> None:
    settings_for(host)
    begun = half_made(host / "images" / f"{NAME}.img")
    await leave_record(host, "xfs", begun)

    async with open_rig(host) as rig:
        await rig.stage(mounted("xfs"))
        target = await rig.publish(mounted("xfs"))
        write(target / "data")

        assert sum_of(rig.staging() / "data") == SUM


@pytest.mark.parametrize("begun", [None, UUID(int=1)], ids=["no record", "another one begun"])
async def test_a_half_made_xfs_of_somebody_else_is_refused_and_left_alone(
    host: Path, begun: UUID | None
) -> None:
    settings_for(host)
    image = host / "images" / f"{NAME}.img"
    half_made(image)
    if begun:
        await leave_record(host, "xfs", begun)
    before = hashlib.sha256(image.read_bytes()).hexdigest()

    async with open_rig(host) as rig:
        status, text = await error_of(rig.stage(mounted("xfs")))

        assert status is Status.FAILED_PRECONDITION
        assert "has not come to its end" in text
        assert rig.mounts() == []
    assert hashlib.sha256(image.read_bytes()).hexdigest() == before


async def test_whose_a_half_made_xfs_is_stays_known_while_its_volume_is_a_raw_block_device(
    host: Path,
) -> None:
    settings_for(host)
    begun = half_made(host / "images" / f"{NAME}.img")
    await leave_record(host, "xfs", begun)

    async with open_rig(host) as rig:
        await rig.stage(raw())

        record = rig.desk.records.get(VolumeId.parse(NAME))

    assert record is not None
    assert record.begun == begun


async def test_a_half_made_xfs_whose_pod_has_gone_can_be_staged_later(host: Path) -> None:
    settings_for(host)
    await leave_record(host, "xfs", half_made(host / "images" / f"{NAME}.img"))

    async with open_rig(host) as rig:
        await rig.desk.fabrics.ensure_connected(TARGET)
        await rig.unstage()
        await rig.stage(mounted("xfs"))

        assert len(rig.mounts()) == 1


async def test_a_device_node_that_was_half_way_to_its_place_goes_with_the_publication(
    host: Path,
) -> None:
    target = host / "kubelet" / "pods" / "pod-1" / NAME / "mount"
    target.parent.mkdir(parents=True)
    await leave_record(host, "", None, target)
    make_node(target, (7, 200))
    target.rename(target.with_name(f".{target.name}.new"))

    async with open_rig(host) as rig:
        await rig.unpublish()
        await rig.unstage()

    assert leftovers(host) == []
