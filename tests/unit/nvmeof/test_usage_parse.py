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


@pytest.mark.parametrize("line", ["mnt_id:7", "mnt_id: \t7 ", "mnt_id:\t1234567890"])
def test_the_number_of_a_mount_is_read_whatever_blanks_are_around(line: str) -> None:
    assert parse_mount_id(f"pos:\t0\n{line}\nino:\t1\n") == int(line.partition(":")[2])


@pytest.mark.parametrize("line", ["mnt_id:\t12345678901", "mnt_id:\t7x", "mnt_id:", "x mnt_id: 7"])
def test_what_is_no_number_of_a_mount_is_none(line: str) -> None:
    assert parse_mount_id(f"{line}\n") is None


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


def test_memory_without_a_name_is_read_in_any_form_that_the_kernel_gives_it() -> None:
    text = "0-f rw-p 0 0:0 0\n7f00-7f01 ---p 00000000 103:0f 12 \n\n7f02-7f03 rwxs 0 fe:10 3 /a b\n"

    assert parse_mapped(text) == {(0x103, 0x0F), (0xFE, 0x10)}


@pytest.mark.parametrize(
    "line",
    [
        "-7f01 r-xp 0 8:1 12",
        "7f00- r-xp 0 8:1 12",
        "7f00-7f01 r-xpp 0 8:1 12",
        "7f00-7f01 r-xp  8:1 12",
        "7f00-7f01 r-xp 0 :1 12",
        "7f00-7f01 r-xp 0 8: 12",
        "7f00-7f01 r-xp 0 8:1 ",
        "7f00-7f01 r-xp 0 8:1 12/a",
    ],
)
def test_a_mapping_with_a_field_that_is_missing_or_odd_cannot_be_read(line: str) -> None:
    with pytest.raises(HostUnable):
        parse_mapped(line + "\n")


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


def test_a_slave_whose_nearest_master_is_in_another_namespace_goes_too() -> None:
    assert follows(
        "120 100 8:1 / / rw master:77 propagate_from:1 - ext4 /dev/sda1 rw",
        "130 120 259:0 / /kubelet/vol rw - ext4 /dev/nvme0n1 rw",
    )


def test_a_slave_of_a_peer_group_that_receives_from_afar_goes_too() -> None:
    assert follows(
        "110 100 8:1 / /first rw shared:5 master:77 propagate_from:1 - ext4 /dev/sda1 rw",
        "120 100 8:1 / /second rw master:5 - ext4 /dev/sda1 rw",
        "130 120 259:0 / /second/kubelet/vol rw - ext4 /dev/nvme0n1 rw",
    )


def test_peer_groups_have_the_masters_of_all_their_mounts() -> None:
    table = by_id(
        "1 9 8:1 / /a rw shared:5 master:1 - ext4 /dev/a rw",
        "2 9 8:1 / /b rw shared:5 master:2 propagate_from:3 - ext4 /dev/a rw",
        "3 9 8:1 / /c rw master:4 - ext4 /dev/a rw",
        "4 9 8:1 / /d rw shared:6 unbindable master:x - ext4 /dev/a rw",
        "5 9 8:1 / /e rw shared:1234567890 - ext4 /dev/a rw",
        "6 9 8:1 / /f rw shared:12345678901 - ext4 /dev/a rw",
    )

    assert read_masters(table.values()) == {5: {1, 2, 3}, 6: set(), 1234567890: set()}


def test_a_copy_of_a_mount_whose_parent_is_gone_stays() -> None:
    (copy,) = by_id("130 20 259:0 / /kubelet/vol rw shared:9 - ext4 /dev/nvme0n1 rw").values()
    alone = {30: HOST[30]}

    assert goes_with(copy, HOST, HOST[30], alone, read_masters(HOST.values())) is False


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
