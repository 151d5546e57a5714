import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.nvmeof.errors import HostUnable
from libs.nvmeof.mountinfo import Mount, MountTable
from libs.nvmeof.usage_parse import (
    goes_with,
    mount_over,
    parse_mapped,
    parse_mount_id,
    read_masters,
)

FDINFO = "pos:\t0\nflags:\t0100000\nmnt_id:\t36\nino:\t12\nlock:\t1: POSIX mnt_id: 9\n"

numbers = st.integers(0, 2**20)
mappings = st.lists(
    st.tuples(numbers, numbers, st.integers(0, 2**32), st.text().filter(lambda t: "\n" not in t))
)


def mount(line: str) -> Mount:
    return Mount.parse(line)


def by_id(*lines: str) -> dict[int, Mount]:
    return {mount.id: mount for mount in MountTable.parse("\n".join(lines)).mounts}


def test_the_mount_of_an_open_file_is_read() -> None:
    assert parse_mount_id(FDINFO) == 36


def test_a_descriptor_without_a_mount_has_none() -> None:
    assert parse_mount_id("pos:\t0\nflags:\t02\n") is None


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = parse_mount_id(text)

    assert found is None or str(found) in text


@given(mappings)
def test_the_devices_of_mapped_files_are_read_whatever_the_files_are_called(
    mapped: list[tuple[int, int, int, str]],
) -> None:
    text = "".join(
        f"7f00-7f01 r-xp 00000000 {major:02x}:{minor:02x} {inode} {'':20}{name}\n"
        for major, minor, inode, name in mapped
    )

    assert parse_mapped(text) == {(major, minor) for major, minor, inode, _ in mapped if inode}


def test_maps_that_make_no_sense_do_not_pass_for_nothing_mapped() -> None:
    with pytest.raises(HostUnable):
        parse_mapped("7f00-7f01 r-xp 00000000 0a:01 12 /a\n7f02-7f03 r-xp 000\n")


HOST = by_id(
    "20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw",
    "30 20 259:0 / /kubelet/vol rw shared:9 - ext4 /dev/nvme0n1 rw",
)


def follows(*others: str, home: dict[int, Mount] = HOST) -> bool:
    space = by_id(*others)
    masters = read_masters([*home.values(), *space.values()])
    copies = [copy for copy in space.values() if copy.device == (259, 0)]
    assert len(copies) == 1
    return goes_with(copies[0], space, home[30], home, masters)


def test_a_copy_in_the_namespace_of_a_service_goes_with_the_original() -> None:
    assert follows(
        "120 100 8:1 / / rw master:1 - ext4 /dev/sda1 rw",
        "130 120 259:0 / /kubelet/vol rw master:9 - ext4 /dev/nvme0n1 rw",
    )


def test_a_copy_below_a_bind_mount_of_the_parents_directory_goes_too() -> None:
    assert follows(
        "120 100 0:40 / / rw - overlay overlay rw",
        "121 120 8:1 /kubelet /var/kubelet rw shared:1 - ext4 /dev/sda1 rw",
        "130 121 259:0 / /var/kubelet/vol rw shared:9 - ext4 /dev/nvme0n1 rw",
    )


def test_a_slave_of_a_slave_goes_too() -> None:
    assert follows(
        "110 100 8:1 / /first rw shared:5 master:1 - ext4 /dev/sda1 rw",
        "120 100 8:1 / /second rw master:5 - ext4 /dev/sda1 rw",
        "130 120 259:0 / /second/kubelet/vol rw - ext4 /dev/nvme0n1 rw",
    )


def test_a_volume_in_a_container_stays_although_its_mount_is_a_slave() -> None:
    assert not follows(
        "120 100 0:40 / / rw - overlay overlay rw",
        "130 120 259:0 / /data rw master:9 - ext4 /dev/nvme0n1 rw",
    )


def test_a_mount_at_another_place_of_the_same_filesystem_stays() -> None:
    assert not follows(
        "120 100 8:1 / / rw master:1 - ext4 /dev/sda1 rw",
        "130 120 259:0 / /elsewhere rw master:9 - ext4 /dev/nvme0n1 rw",
    )


def test_a_copy_in_a_private_namespace_stays() -> None:
    assert not follows(
        "120 100 8:1 / / rw - ext4 /dev/sda1 rw",
        "130 120 259:0 / /kubelet/vol rw - ext4 /dev/nvme0n1 rw",
    )


def test_nothing_is_passed_on_from_a_slave_to_its_master() -> None:
    slave = by_id(
        "20 1 8:1 / / rw master:1 - ext4 /dev/sda1 rw",
        "30 20 259:0 / /kubelet/vol rw master:9 - ext4 /dev/nvme0n1 rw",
    )

    assert not follows(
        "120 100 8:1 / / rw shared:1 - ext4 /dev/sda1 rw",
        "130 120 259:0 / /kubelet/vol rw shared:9 - ext4 /dev/nvme0n1 rw",
        home=slave,
    )


def test_a_copy_whose_parent_cannot_be_seen_stays() -> None:
    assert not follows("130 120 259:0 / /kubelet/vol rw master:9 - ext4 /dev/nvme0n1 rw")


def test_the_mount_over_a_path_is_the_nearest_one() -> None:
    points = {mount.point: mount for mount in HOST.values()}

    assert mount_over("/kubelet/vol/a/b", points) == HOST[30]
    assert mount_over("/kubelet/volume", points) == HOST[20]
    assert mount_over("anon_inode:[eventfd]", points) is None
