"""Identifiers and paths at their edges: the longest, the shortest, what almost is one."""

import pytest

from libs.core.errors import InvalidRequest
from libs.core.ids import (
    MANAGED_PREFIXES,
    NodeId,
    Nqn,
    Slot,
    SnapshotId,
    VolumeId,
    check_name,
    parse_device_name,
    parse_driver_name,
    parse_nqn_prefix,
    shown,
)
from libs.core.images import Image, Layout, Origin
from libs.core.paths import DevicePath

UUID = "0f9b6d3e-5f0e-4a53-9d5e-3c1f4a0c2b11"
PREFIX = "nqn.2000-02.com.mikrotik"

# Whose something is


@pytest.mark.parametrize("text", [f"pvc-{UUID}", "pvc-a", "vol-a", "vol--abc2", "pvc-a@rack2"])
def test_what_the_driver_makes_is_managed(text: str) -> None:
    assert VolumeId.parse(text).is_managed
    assert not SnapshotId.parse(text).is_managed


@pytest.mark.parametrize(
    "text",
    ["pvc-", "vol-", "pvc", "PVC-a", "pvc-A", "pvc-a.1-2.of.b", "pvc-a_b", "xpvc-a", "snap-a"],
)
def test_what_the_driver_never_makes_is_not_managed_though_it_begins_alike(text: str) -> None:
    assert not VolumeId.parse(text).is_managed


@pytest.mark.parametrize(
    ("text", "managed"),
    [
        ("snap-a", True),
        ("snap--a", True),
        ("snap-", False),
        ("snap-a.b", False),
        ("xsnap-a", False),
    ],
)
def test_the_same_holds_for_snapshots(
    text: str,
    managed: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert SnapshotId.parse(text).is_managed is managed
    assert not VolumeId.parse(text).is_managed


def test_volumes_are_known_by_two_prefixes() -> None:
    assert MANAGED_PREFIXES == ("pvc-", "vol-")


# Names and the IDs that are made of them


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a", "vol-a"),
        ("a" * 48, "vol-" + "a" * 48),
        ("0-9", "vol-0-9"),
        (f"pvc-{UUID}", f"pvc-{UUID}"),
        (f"pvc-{UUID}x", f"vol-pvc-{UUID}x"),
        (f"pvc-{UUID[:-1]}", f"vol-pvc-{UUID[:-1]}"),
    ],
)
def test_a_simple_name_is_the_id_with_its_prefix(name: str, text: str) -> None:
    assert VolumeId.from_name(name).text == text


@pytest.mark.parametrize("name", ["a" * 49, "a-", "A", "a b", "a\n", f"pvc-{UUID}\n"])
def test_another_name_becomes_a_digest(name: str) -> None:
    volume = VolumeId.from_name(name)

    assert volume.text.startswith("vol--")
    assert len(volume.text) == len("vol--") + 32
    assert volume.is_managed


def test_a_digest_never_changes_as_volumes_are_found_by_it() -> None:
    assert VolumeId.from_name("A").text == "vol--kwnovuecmtkxsxjzbfyyzxifvpkjk4xi"
    assert SnapshotId.from_name("A").text == "snap--kwnovuecmtkxsxjzbfyyzxifvpkjk4xi"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (f"snapshot-{UUID}", f"snap-{UUID}"),
        ("a" * 48, "snap-" + "a" * 48),
        (f"{UUID}0", f"snap-{UUID}0"),
    ],
)
def test_a_simple_name_of_a_snapshot_is_its_id_with_the_prefix(name: str, text: str) -> None:
    assert SnapshotId.from_name(name).text == text


@pytest.mark.parametrize(
    "name", [UUID, "a" * 49, f"snapshot-{UUID}x".upper(), f"snapshot-{UUID}\n"]
)
def test_another_name_of_a_snapshot_becomes_a_digest(name: str) -> None:
    assert SnapshotId.from_name(name).text.startswith("snap--")


def test_white_space_is_no_control_character_in_a_name() -> None:
    assert check_name("name", "a\tb\nc\rd") == "a\tb\nc\rd"
    for code in (0x08, 0x0B, 0x0C, 0x0E, 0x1F, 0x7F, 0x9F):
        with pytest.raises(InvalidRequest, match="control characters"):
            check_name("name", chr(code))


def test_a_name_is_on_another_device_if_that_is_said() -> None:
    assert VolumeId.from_name("A", device="r").device == "r"
    assert VolumeId.from_name(f"pvc-{UUID}", device="r").device == "r"
    assert SnapshotId.from_name("A", device="r").device == "r"
    assert SnapshotId.from_name(f"snapshot-{UUID}", device="r").device == "r"
    assert SnapshotId.from_name("a", device="r").text == "snap-a@r"


def test_a_long_text_is_cut_in_messages() -> None:
    assert shown("a" * 64) == "'" + "a" * 64 + "'"
    assert shown("a" * 65) == "'" + "a" * 61 + "...'"


# What is read


@pytest.mark.parametrize("text", ["a", "a" * 127, "A.b_c-9", "0"])
def test_a_slot_has_up_to_127_characters(text: str) -> None:
    assert Slot.parse(text).text == str(Slot.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["pvc-a@", "pvc-a@Rack", "pvc-a@-a", "pvc-a@" + "a" * 33, "pvc-a@a@b"]
)
def test_what_follows_the_at_is_the_name_of_a_device(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"volume_id must name a device after '@'"):
        VolumeId.parse(text)
    with pytest.raises(InvalidRequest, match=r"^snapshot_id must name"):
        SnapshotId.parse(text)
    with pytest.raises(InvalidRequest, match=r"^source must name"):
        VolumeId.parse(text, "source")


@pytest.mark.parametrize("text", ["a", "9", "a" * 32, "a-b"])
def test_a_device_has_a_name_of_up_to_32_characters(text: str) -> None:
    assert parse_device_name(text) == text
    assert VolumeId.parse(f"vol-a@{text}").device == text


@pytest.mark.parametrize("text", ["", "a" * 33, "a-", "-a", "A", "a.b", "a\n"])
def test_other_text_is_no_name_of_a_device(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^rds must be 1 to 32"):
        parse_device_name(text)


def test_a_node_id_has_up_to_256_bytes() -> None:
    assert str(NodeId.parse("a" * 256)) == "a" * 256
    with pytest.raises(InvalidRequest, match="node_id must be at most 256 bytes, not 257"):
        NodeId.parse("a" * 257)


def test_an_nqn_has_up_to_223_bytes() -> None:
    longest = "nqn.2000-02.a:" + "b" * 209

    assert str(Nqn.parse(longest)) == longest
    with pytest.raises(InvalidRequest, match="nqn must be at most 223 bytes, not 224"):
        Nqn.parse(longest + "b")


@pytest.mark.parametrize(
    "text",
    [
        "nqn.200-02.a:b",
        "nqn.20000-02.a",
        "nqn.2000-2.a",
        "nqn.2000-022.a",
        "nqn.2000-02.",
        "nqn.2000-02.a:",
    ],
)
def test_a_date_in_an_nqn_has_four_digits_and_two_and_no_part_is_empty(text: str) -> None:
    with pytest.raises(InvalidRequest, match="of the form"):
        Nqn.parse(text)


def test_a_volume_is_exported_under_its_slot_whichever_device_it_is_on() -> None:
    assert Nqn.of_volume(PREFIX, VolumeId.parse("pvc-a@rack2")).text == f"{PREFIX}:pvc-a"


def test_a_prefix_leaves_room_for_the_slot_of_a_volume() -> None:
    longest = "nqn.2000-02." + "a" * 170

    assert parse_nqn_prefix(longest) == longest
    for text in (longest + "a", "iqn.a", ""):
        with pytest.raises(InvalidRequest, match=r"^nqnPrefix must"):
            parse_nqn_prefix(text)


@pytest.mark.parametrize("text", ["a", "a" * 63, "rds.csi.Mikrotik-1.com"])
def test_a_driver_has_a_name_of_up_to_63_characters(text: str) -> None:
    assert parse_driver_name(text) == text


@pytest.mark.parametrize("text", ["", "a" * 64, "a.", ".a", "a_b", "a\n"])
def test_other_text_is_no_name_of_a_driver(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^the name must be"):
        parse_driver_name(text)


# Paths and images


def test_a_path_has_up_to_255_characters() -> None:
    longest = "/" + "a" * 254

    assert DevicePath.parse(longest).text == str(DevicePath.parse(longest + "/")) == longest
    with pytest.raises(InvalidRequest, match="volumePath must be at most 255"):
        DevicePath.parse(longest + "a")


def test_a_path_lies_in_its_parent_and_a_pool_in_itself() -> None:
    path = DevicePath.parse("/pool/a/_b.c-d")

    assert (path.parent.text, path.parent.parent.text) == ("/pool/a", "/pool")
    assert path.parent.parent.parent.text == "/pool"
    assert path.pool == "pool"


@pytest.mark.parametrize(
    ("path", "image"),
    [
        ("/p/a/pvc-1.img", Image(DevicePath("/p/a"), Slot("pvc-1"))),
        (
            "/p/pvc-1/volume.img",
            Image(DevicePath("/p"), Slot("pvc-1"), None, Layout.SUBVOLUME),
        ),
        (
            "/p/pvc-1.1f-2a.of.pvc-2.img",
            Image(DevicePath("/p"), Slot("pvc-1"), Origin(0x1F, 0x2A, "pvc-2")),
        ),
        ("/p/-a.img", None),
        ("/p/a b.img", None),
        ("/p/pvc-1.img.bak", None),
        ("volume.img", None),
        ("/volume.img", None),
        ("pvc-1.img", None),
    ],
)
def test_the_place_of_a_volume_is_read_from_its_path(path: str, image: Image | None) -> None:
    assert Image.parse(path) == image


def test_an_image_that_is_a_file_is_in_no_subvolume() -> None:
    assert Image(DevicePath("/p/a"), Slot("pvc-1")).subvolume == ""
