"""What fuzzing found, so that it stays found."""

from pathlib import Path

import pytest
from grpclib.const import Status

from libs.core.errors import InvalidRequest, Unsupported
from libs.kube.answers import parse_listing, parse_object
from libs.nvmeof.errors import MountTableUnreadable, NoMountPoint
from libs.nvmeof.mounter import Mounter
from libs.nvmeof.mountinfo import MountTable
from libs.nvmeof.offload import Offload
from libs.nvmeof.usage_parse import read_masters
from libs.rdsclient.commands import Command
from libs.rdsclient.errors import GarbledReply
from libs.rdsclient.health import parse_health
from libs.rdsclient.listing import END
from libs.rdsclient.model import Release
from libs.rdsclient.replies import parse_files, parse_pool
from protos.gen.csi import v1 as csi
from services.reconciler.memory import parse_memory
from tests.component.controller.rig import error_of
from tests.component.node.hosts import clean_host, in_memory
from tests.component.node.rig import MIB, NAME, mount_table, needs_mounts, open_rig
from tests.component.nvmeof.disks import make_disk, only_for_now, run

OTHER = "pvc-00000000-0000-0000-0000-000000000002"


def test_a_number_that_no_decimal_can_hold_is_a_garbled_answer() -> None:
    text = '[{"mount-point": "a", "size": 1e%s, "free": 0}]' % ("9" * 40)

    with pytest.raises(GarbledReply):
        parse_pool(text, Command("", listings=1))


def test_json_of_endless_depth_is_no_object() -> None:
    assert parse_object(b"[" * 100_000) is None
    assert parse_listing(b'{"items":' * 100_000) is None


def test_a_number_of_a_million_digits_is_not_spelled_out() -> None:
    text = '[{"name": "a", "type": "file", "size": 1e999999}]'

    (file,) = parse_files(text, Command("", listings=1))

    assert file.size is None


@pytest.mark.parametrize("digits", [20, 5000])
def test_a_number_of_too_many_digits_is_no_size_in_either_form(digits: int) -> None:
    as_text = f"0 type=file slot=a size={'9' * digits}\n{END}"
    as_json = f'[{{"mount-point": "a", "size": {"9" * digits}, "free": 0}}]'

    for text, is_json in ((as_text, False), (as_json, True)):
        with pytest.raises(GarbledReply):
            parse_pool(text, Command("", listings=1, json=is_json))


@pytest.mark.parametrize("number", ["9" * 400, "1e400", "Infinity", "NaN", f'"{"9" * 400}"'])
def test_a_count_that_no_float_can_hold_is_not_known(number: str) -> None:
    text = f'[{{"slot": "nvme1", "type": "hardware", "io-errors": {number}}}]'

    (disk,) = parse_health(text, Command("", listings=1))

    assert disk.io_errors is None


@pytest.mark.parametrize("number", ["9" * 11, "9" * 5000])
def test_a_mount_with_an_endless_number_makes_the_table_unreadable(number: str) -> None:
    for line in (
        f"{number} 1 8:1 / / rw - ext4 /dev/sda rw",
        f"1 1 {number}:1 / / rw - ext4 /dev/sda rw",
    ):
        with pytest.raises(MountTableUnreadable):
            MountTable.parse(line)


@pytest.mark.parametrize("point", ["", "a", "."])
def test_a_mount_at_no_path_makes_the_table_unreadable(point: str) -> None:
    with pytest.raises(MountTableUnreadable):
        MountTable.parse(f"1 1 8:1 / {point} rw - ext4 /dev/sda rw")


def test_a_peer_group_with_an_endless_number_is_none() -> None:
    table = MountTable.parse(f"1 1 8:1 / / rw shared:{'9' * 5000} - ext4 /dev/sda rw")

    assert read_masters(table.mounts) == {}


def test_a_release_with_an_endless_number_is_not_supported() -> None:
    with pytest.raises(Unsupported):
        Release.parse("9" * 5000 + ".1")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"version": 2, "firstSeen": {}, "x": 1e999}'])
def test_a_memory_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_memory(text)


@needs_mounts
async def test_a_mount_where_there_is_no_directory_is_not_taken_for_our_error(
    tmp_path: Path,
) -> None:
    with only_for_now(tmp_path):
        disk = make_disk(tmp_path / "disk.img", 16 * MIB)
        run("mkfs.ext4", "-q", disk.path)

        with pytest.raises(NoMountPoint, match="is not a directory"):
            await Mounter(Offload()).mount(disk, str(tmp_path / "missing"), "ext4", ["rw"])


@needs_mounts
async def test_a_volume_is_not_unmounted_for_another_one(tmp_path: Path) -> None:
    with in_memory(tmp_path), clean_host(tmp_path):
        async with open_rig(tmp_path) as rig:
            await rig.stage()
            target = await rig.publish()
            staging, before = str(rig.staging()), rig.mounts()

            refused = [
                (await error_of(call))[0]
                for call in (
                    rig.node.node_unstage_volume(
                        csi.NodeUnstageVolumeRequest(volume_id=OTHER, staging_target_path=staging)
                    ),
                    rig.node.node_unpublish_volume(
                        csi.NodeUnpublishVolumeRequest(volume_id=OTHER, target_path=str(target))
                    ),
                    rig.node.node_unpublish_volume(
                        csi.NodeUnpublishVolumeRequest(volume_id=NAME, target_path=staging)
                    ),
                )
            ]

            assert refused == [Status.FAILED_PRECONDITION] * 3
            assert rig.mounts() == before
            assert mount_table().at(str(target)) is not None
