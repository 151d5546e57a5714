"""Small values at their edges: what they are called, and what they say by default."""

import pytest

from libs.core.address import MAX_PORT, NVME_TCP_PORT, parse_host, parse_port
from libs.core.errors import InvalidRequest, RdsCsiError
from libs.core.fields import read, whole_seconds
from libs.core.ids import (
    NodeId,
    Nqn,
    Slot,
    SnapshotId,
    VolumeId,
    parse_device_name,
    parse_driver_name,
)
from libs.core.images import Image, Layout, Origin
from libs.core.secret import Secret
from libs.core.size import CapacityRange


def test_an_error_has_its_sentence_and_what_was_said_beside_it() -> None:
    error = RdsCsiError("it failed", detail="errno 5")

    assert (str(error), error.message, error.detail) == ("it failed", "it failed", "errno 5")
    assert RdsCsiError("it failed").detail == ""


def test_a_secret_is_shown_in_no_way() -> None:
    secret = Secret("hunter2")

    assert (str(secret), repr(secret), f"{secret}") == ("***", "Secret(***)", "***")
    assert secret.reveal() == "hunter2"


def test_ports_are_those_that_are_registered_and_possible() -> None:
    assert (NVME_TCP_PORT, MAX_PORT) == (4420, 65535)


def test_names_of_two_characters_are_names() -> None:
    assert parse_host("ab") == "ab"
    assert parse_device_name("ab") == "ab"
    assert parse_driver_name("ab") == "ab"
    assert NodeId.parse("ab").text == "ab"
    assert VolumeId.from_name("ab").text == "vol-ab"
    assert str(VolumeId.parse("vol-ab@r2")) == "vol-ab@r2"
    assert str(VolumeId(Slot("vol-ab"))) == "vol-ab"


@pytest.mark.parametrize("text", ["12345678901", "1234567890", "", "--1", "1.5"])
def test_a_whole_number_has_up_to_nine_digits(text: str) -> None:
    assert whole_seconds(-1, 10**12)("-1", "x") == -1
    assert whole_seconds(-1, 10**12)("123456789", "x") == 123456789
    with pytest.raises(InvalidRequest, match=r"^parameters\.x must be a whole number"):
        read({"x": text}, "x", whole_seconds(-1, 10**12), 0)


def test_what_is_wrong_is_named_by_its_field() -> None:
    with pytest.raises(InvalidRequest, match=r"^host must"):
        parse_host("-")
    with pytest.raises(InvalidRequest, match=r"^port must"):
        parse_port("0")
    with pytest.raises(InvalidRequest, match=r"^capacity_range\.required_bytes must not be neg"):
        CapacityRange(-1)
    with pytest.raises(InvalidRequest, match=r"^capacity_range\.limit_bytes must not be negative"):
        CapacityRange(0, -1)
    with pytest.raises(InvalidRequest, match=r"^slot must not be empty"):
        Slot.parse("")
    with pytest.raises(InvalidRequest, match=r"^node_id must not be empty"):
        NodeId.parse("")
    for make in (VolumeId.from_name, SnapshotId.from_name):
        with pytest.raises(InvalidRequest, match=r"^name must not be empty"):
            make("")
    with pytest.raises(InvalidRequest, match=r"^nqnPrefix must"):
        Nqn.of_volume("iqn", VolumeId.parse("vol-a"))


def test_layouts_are_called_as_storage_classes_call_them() -> None:
    assert [layout.value for layout in Layout] == ["file", "subvolume"]


@pytest.mark.parametrize(
    ("stem", "origin"),
    [
        ("a.1-2.of.b", Origin(1, 2, "b")),
        ("a." + "f" * 9 + "-" + "e" * 16 + ".of.b", Origin(16**9 - 1, int("e" * 16, 16), "b")),
        ("a." + "f" * 10 + "-1.of.b", None),
        ("a.1-" + "e" * 17 + ".of.b", None),
        ("a.1-2.of.", None),
        ("a.-2.of.b", None),
        ("a.1-.of.b", None),
    ],
)
def test_the_name_of_a_copy_says_what_it_is_a_copy_of(stem: str, origin: Origin | None) -> None:
    image = Image.parse(f"/p/{stem}.img")

    assert image is not None
    assert image.origin == origin
    assert image.stem == stem
