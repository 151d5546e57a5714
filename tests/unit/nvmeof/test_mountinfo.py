import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.nvmeof.errors import MountStorm, MountTableUnreadable
from libs.nvmeof.mountinfo import PLACEHOLDER, STORM, Mount, MountTable

LINE = (
    "36 35 259:3 / /var/lib/kubelet/plugins/a\\040b rw,noatime shared:7 master:1 - "
    "ext4 /dev/nvme0n1 ro,errors=remount-ro"
)

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1
)
words = st.frozensets(st.from_regex(r"[a-z]{1,8}(=[a-z0-9-]{1,8})?", fullmatch=True), min_size=1)
mounts = st.builds(
    Mount,
    id=st.integers(1, 10**6),
    parent=st.integers(0, 10**6),
    device=st.tuples(st.integers(0, 4095), st.integers(0, 2**20)),
    root=texts,
    point=texts.map(lambda text: f"/{text}"),
    options=words,
    fs_type=st.sampled_from(["ext4", "xfs", "fuse.x"]),
    source=texts,
    super_options=words,
    propagation=st.lists(st.from_regex(r"(shared|master):[0-9]{1,3}", fullmatch=True)).map(tuple),
)


def escaped(text: str) -> str:
    """Write a field as the kernel does: white space and the backslash as octal numbers."""
    return "".join(f"\\{ord(c):03o}" if c in " \t\n\\" else c for c in text)


def line(mount: Mount) -> str:
    first = [str(mount.id), str(mount.parent), ":".join(map(str, mount.device))]
    first += [escaped(mount.root), escaped(mount.point), ",".join(mount.options)]
    last = [mount.fs_type, escaped(mount.source), ",".join(mount.super_options)]
    return " ".join([*first, *mount.propagation, "-", *last])


def test_a_line_is_read_with_its_escapes_and_optional_fields() -> None:
    mount = Mount.parse(LINE)

    assert mount.point == "/var/lib/kubelet/plugins/a b"
    assert mount.device == (259, 3)
    assert mount.propagation == ("shared:7", "master:1")
    assert mount.has_turned_read_only
    assert not mount.is_read_only


def of(options: str = "rw", super_options: str = "rw", kind: str = "ext4 /dev/x") -> Mount:
    return Mount.parse(f"36 35 259:3 / /a {options} - {kind} {super_options}")


@pytest.mark.parametrize("word", ["ro", "emergency_ro", "shutdown"])
def test_a_filesystem_that_stopped_under_a_writable_mount_has_turned_read_only(word: str) -> None:
    assert of("rw,noatime", f"rw,{word}").has_turned_read_only
    assert not of("ro", word).has_turned_read_only
    assert not of("rw", "rw").has_turned_read_only


def test_a_mount_for_reading_is_read_only() -> None:
    assert of("ro,noatime").is_read_only
    assert not of("rw,noatime").is_read_only


def test_only_a_filesystem_in_memory_of_that_name_keeps_a_place() -> None:
    assert PLACEHOLDER == "rds-csi-nothing"  # earlier releases left such mounts
    assert of(kind="tmpfs rds-csi-nothing").is_placeholder
    assert not of(kind="tmpfs tmpfs").is_placeholder
    assert not of(kind="ext4 rds-csi-nothing").is_placeholder


@pytest.mark.parametrize(
    ("device", "source", "is_on"),
    [
        ("259:3", "/dev/old", True),
        ("259:4", "/dev/x", False),
        ("0:50", "/dev/x", True),
        ("0:50", "/dev/y", False),
        ("1:3", "/dev/x", False),
    ],
)
def test_a_mount_is_known_by_the_number_of_its_device_or_where_it_has_none_by_its_path(
    device: str,
    source: str,
    is_on: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    mount = Mount.parse(f"36 35 {device} / /a rw - btrfs {source} rw")

    assert mount.is_on("/dev/x", (259, 3)) is is_on
    assert bool(MountTable((mount,)).of_device("/dev/x", (259, 3))) is is_on


def test_a_hyphen_counts_only_after_the_fields_that_are_always_there() -> None:
    mount = Mount.parse("36 35 259:3 - /- - - ext4 /dev/x rw")

    assert (mount.root, mount.point, mount.options) == ("-", "/-", frozenset({"-"}))
    assert (mount.fs_type, mount.propagation) == ("ext4", ())


@pytest.mark.parametrize(
    "line",
    [
        "x 35 259:3 / /a rw - ext4 /dev/x rw",
        "36 x 259:3 / /a rw - ext4 /dev/x rw",
        "36 35 259 / /a rw - ext4 /dev/x rw",
        "36 35 259:3x / /a rw - ext4 /dev/x rw",
        "36 35 259:3 / a rw - ext4 /dev/x rw",
        "36 35 259:3 / a/ rw - ext4 /dev/x rw",
        "36 35 259:3 / /a rw - ext4 /dev/x",
        "36 35 259:3 / /a rw ext4 /dev/x rw",
        "12345678901 35 259:3 / /a rw - ext4 /dev/x rw",
        "36 12345678901 259:3 / /a rw - ext4 /dev/x rw",
        "36 35 12345678901:3 / /a rw - ext4 /dev/x rw",
        "36 35 259:12345678901 / /a rw - ext4 /dev/x rw",
    ],
)
def test_a_line_with_one_field_that_makes_no_sense_cannot_be_read(line: str) -> None:
    with pytest.raises(MountTableUnreadable):
        Mount.parse(line)


@given(st.lists(mounts, max_size=3))
def test_what_was_written_is_read(table: list[Mount]) -> None:
    text = "".join(line(mount) + "\n" for mount in table)

    assert MountTable.parse(text).mounts == tuple(table)


@given(st.text())
def test_anything_is_read_or_refused(text: str) -> None:
    try:
        table = MountTable.parse(text)
    except MountTableUnreadable:
        return
    assert len(table.mounts) <= text.count("\n") + 1


@pytest.mark.parametrize("cut", range(1, len(LINE) - len(" ro,errors=remount-ro"), 7))
def test_a_line_that_was_cut_off_spoils_the_whole(cut: int) -> None:
    with pytest.raises(MountTableUnreadable):
        MountTable.parse(f"{LINE}\n{LINE[:cut]}\n")


def table(*points: str) -> MountTable:
    return MountTable(
        tuple(
            Mount(i, 0, (259, i % 2), "/", point, frozenset({"rw"}), "ext4", "x", frozenset())
            for i, point in enumerate(points)
        )
    )


def test_the_mount_on_top_is_the_one_that_counts() -> None:
    found = table("/a", "/b", "/a").at("/a")

    assert found is not None
    assert found.id == 2
    assert table("/a").at("/c") is None


def test_what_is_below_a_directory_comes_innermost_first() -> None:
    points = [mount.point for mount in table("/a", "/a/b/c", "/ab", "/a/b", "/a").below("/a")]

    assert points == ["/a/b/c", "/a/b", "/a", "/a"]


def test_of_what_is_at_the_same_place_the_one_on_top_comes_first() -> None:
    found = table("/a", "/a", "/a").below("/a/")

    assert [mount.id for mount in found] == []
    assert [mount.id for mount in table("/a", "/a", "/a").below("/a")] == [2, 1, 0]


def test_everything_is_below_the_root() -> None:
    assert [mount.point for mount in table("/", "/a").below("/")] == ["/a", "/"]


def test_what_is_beside_a_directory_is_not_below_it_however_it_is_called() -> None:
    assert [mount.point for mount in table("/aX/b", "/a/c").below("/aX")] == ["/aX/b"]


def test_a_device_that_is_mounted_absurdly_often_is_named() -> None:
    many = table(*["/a"] * (2 * STORM))
    many.check_storm("/dev/x", (259, 0))

    storm = table(*["/a"] * (2 * STORM + 1))
    with pytest.raises(MountStorm, match="/dev/x is mounted 101 times"):
        storm.check_storm("/dev/x", (259, 0))
    storm.check_storm("/dev/y", (259, 1))
