"""What classes and contexts say of how a volume is used."""

import pytest

from libs.core.errors import InvalidRequest
from libs.core.volumes import (
    MIN_BYTES,
    Reconnect,
    check_filesystem,
    parse_mkfs_options,
    parse_reconnect,
)

FIELD = "parameters.mkfsOptions"


def test_without_options_a_host_tries_for_ever() -> None:
    assert parse_reconnect({"fsType": "xfs"}) == Reconnect(ctrl_loss=-1, delay=5, keep_alive=0)


def test_reconnect_options_come_back_from_the_context_that_they_went_into() -> None:
    given = Reconnect(ctrl_loss=600, delay=10, keep_alive=15)

    assert parse_reconnect(given.context) == given


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ctrlLossTmo", "-2"),
        ("ctrlLossTmo", "86401"),
        ("reconnectDelay", "0"),
        ("reconnectDelay", "3601"),
        ("keepAliveTmo", "-1"),
        ("keepAliveTmo", "3601"),
    ],
)
def test_a_reconnect_option_out_of_its_bounds_is_refused_by_its_key(key: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"parameters\.{key} must be"):
        parse_reconnect({key: value})


@pytest.mark.parametrize("ctrl_loss", [0, 4])
def test_a_host_that_would_give_up_before_its_first_try_is_refused(ctrl_loss: int) -> None:
    with pytest.raises(InvalidRequest, match="must not be below reconnectDelay"):
        Reconnect(ctrl_loss=ctrl_loss, delay=5)


def test_a_host_may_try_just_once() -> None:
    assert Reconnect(ctrl_loss=5, delay=5).ctrl_loss == 5


@pytest.mark.parametrize("fs_type", MIN_BYTES)
def test_each_filesystem_that_nodes_can_make_is_taken(fs_type: str) -> None:
    assert check_filesystem("parameters.fsType", fs_type) == fs_type


@pytest.mark.parametrize("fs_type", ["", "EXT4", "zfs", "ext4 "])
def test_another_filesystem_is_refused_with_those_that_there_are(fs_type: str) -> None:
    with pytest.raises(InvalidRequest, match=r"parameters\.fsType must be one of ext4, ext3, xfs"):
        check_filesystem("parameters.fsType", fs_type)


def test_mkfs_options_are_words_with_one_space_between_them() -> None:
    assert (
        parse_mkfs_options("-m  0 '-E' lazy_itable_init=1", FIELD) == "-m 0 -E lazy_itable_init=1"
    )


@pytest.mark.parametrize("text", ["'", "-m $(id)", "-L 'a b'", "-m 0;", "/dev/sda", "x" * 257])
def test_what_is_not_made_of_plain_options_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="characters of options"):
        parse_mkfs_options(text, FIELD)


@pytest.mark.parametrize("text", ["-f", "-F", "-qF", "-m 0 -Fq", "--force", "--force=yes"])
def test_what_would_overwrite_what_is_there_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="must not force"):
        parse_mkfs_options(text, FIELD)
