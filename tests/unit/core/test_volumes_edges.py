"""What volumes are told by classes and contexts, to the letter: nodes and controllers share it."""

import pytest

from libs.core.errors import InvalidRequest
from libs.core.size import MIB
from libs.core.volumes import (
    AUTH_DHCHAP,
    AUTH_KEY,
    CLASS_KEYS,
    DEFAULT_FILESYSTEM,
    MIN_BYTES,
    PUBLISHED_KEYS,
    RECONNECT_KEYS,
    SIZE_KEY,
    Reconnect,
    parse_mkfs_options,
    parse_reconnect,
)

FIELD = "parameters.mkfsOptions"


@pytest.mark.parametrize(
    "text",
    [
        "-qqqqqf",
        "-qfLa1",
        "-fLalabel",
        "-Fbsomething",
        "-vFb4096",
        "-Lf",
        "-Tabcf",
        "-Lfabcd",
        "-m 0 -KNf",
        "--forc",
        "--fo",
        "-C",
        "-qC",
        "-Cq",
        "-C -q",
        "-CC 16384",
        "-q --force -m",
    ],
)
def test_no_spelling_of_force_gets_through(text: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{FIELD} must not force"):
        parse_mkfs_options(text, FIELD)


@pytest.mark.parametrize(
    "text",
    [
        "-b 4096 -T largefile",
        "-Tabcdf",
        "-Lfabcde",
        "-Eoffset=0",
        "-m crc=0,finobt=0",
        "-n ftype=1",
        "-C 16384",
        "-C16384",
        "--features no-holes",
        "-L label-f",
        "a" * 64,
        " ".join(["a" * 64, *["a" * 63] * 3]),
        "",
    ],
)
def test_options_that_only_have_an_f_in_them_are_taken(text: str) -> None:
    assert parse_mkfs_options(text, FIELD) == text


@pytest.mark.parametrize(
    "text", ["a" * 65, "-m 0 " + " " * 252, " ".join(["a" * 64] * 4), "a;b", "-m '"]
)
def test_options_that_are_too_long_or_no_options_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{FIELD} must be at most 256 characters"):
        parse_mkfs_options(text, FIELD)


def test_the_smallest_volumes_are_those_that_the_tools_can_make() -> None:
    assert MIN_BYTES == {
        "ext4": 16 * MIB,
        "ext3": 16 * MIB,
        "xfs": 300 * MIB,
        "btrfs": 128 * MIB,
    }
    assert DEFAULT_FILESYSTEM == "ext4"


def test_keys_are_spelled_as_classes_and_volumes_that_exist_spell_them() -> None:
    assert PUBLISHED_KEYS == {
        "ctrlLossTmo": "ctrl_loss_tmo",
        "reconnectDelay": "reconnect_delay",
        "keepAliveTmo": "keep_alive_tmo",
    }
    assert (SIZE_KEY, AUTH_KEY, AUTH_DHCHAP) == ("size_bytes", "auth", "dhchap")
    assert set(CLASS_KEYS) == {
        *RECONNECT_KEYS,
        *("rds", "volumePath", "nvmeAddress", "nvmePort", "nqnPrefix", "fsType", "mkfsOptions"),
        *("migrationTimeoutSeconds", "layout", "fencing", "auth"),
        *("rdsAddress", "sshPort", "rdsPort", "rdsBasePath"),
    }


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [
        ("ctrlLossTmo", "-1", "86400"),
        ("reconnectDelay", "1", "3600"),
        ("keepAliveTmo", "0", "3600"),
    ],
)
def test_the_ends_of_each_range_are_taken(key: str, least: str, most: str) -> None:
    assert parse_reconnect({key: least}).context[key] == least
    assert parse_reconnect({"ctrlLossTmo": "-1", key: most}).context[key] == most


def test_a_context_has_all_three_options_each_under_its_key() -> None:
    assert Reconnect(600, 10, 15).context == {
        "ctrlLossTmo": "600",
        "reconnectDelay": "10",
        "keepAliveTmo": "15",
    }
