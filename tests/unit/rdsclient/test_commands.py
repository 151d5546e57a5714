import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.rdsclient import commands, images
from libs.rdsclient.commands import literal_pattern, quote
from libs.rdsclient.model import DiskSpec
from tests.strategies.device import LATEST

SPEC = DiskSpec(
    slot=Slot.parse("pvc-1"),
    path=DevicePath.parse("/raid10/volumes/pvc-1.img"),
    size=1073741824,
    nqn=Nqn.parse("nqn.2000-02.com.mikrotik:pvc-1"),
    port=4420,
)


def unquote(token: str) -> str:
    """Read a quoted token the way the console does, independently of how it was written."""
    assert token[0] == token[-1] == '"'
    out, rest = bytearray(), token[1:-1]
    while rest:
        if rest[0] == "\\":
            named = {"n": 10, "r": 13, "t": 9}
            if rest[1] in named:
                out.append(named[rest[1]])
                rest = rest[2:]
            elif re.match(r"[0-9A-F]{2}", rest[1:3]):
                out.append(int(rest[1:3], 16))
                rest = rest[3:]
            else:
                out.append(ord(rest[1]))
                rest = rest[2:]
        else:
            assert rest[0] not in '"$[];{}?', rest
            out.append(ord(rest[0]))
            rest = rest[1:]
    return out.decode()


@given(st.text())
def test_a_quoted_value_reads_back_as_itself_and_cannot_leave_its_token(value: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in value):
        with pytest.raises(InvalidRequest, match="UTF-8"):
            quote(value)
        return
    token = quote(value)

    assert unquote(token) == value
    assert token.isascii()
    assert token.isprintable()


path_texts = st.text(alphabet="abcXYZ019._-/")


@given(path_texts, path_texts)
def test_a_literal_pattern_matches_its_text_and_nothing_else(text: str, other: str) -> None:
    pattern = literal_pattern(text)

    assert re.fullmatch(pattern, text)
    assert text == other or not re.fullmatch(pattern, other)


def test_creating_a_disk_sends_exact_bytes_and_never_lets_the_device_mount_it() -> None:
    line = images.create_disk(LATEST, SPEC).line

    assert " file-size=1073741824 " in line
    assert " mount-filesystem=no " in line
    assert ' nvme-tcp-server-nqn="nqn.2000-02.com.mikrotik:pvc-1"' in line


@pytest.mark.parametrize(
    ("command", "verbs"),
    [
        (images.create_disk(LATEST, SPEC), {"/disk/add"}),
        (commands.grow_disk(LATEST, SPEC.slot, 2**31, 2**30, "raid10"), {"/disk/set"}),
        (
            images.remove_disk(LATEST, SPEC.slot, SPEC.path, None, copied=False),
            {"/disk/set", "/disk/remove", "/file/remove"},
        ),
        (commands.read_slot(LATEST, SPEC.slot), set()),
        (commands.list_disks(LATEST, ("pvc-", "vol-")), set()),
        (commands.read_pool(LATEST, "raid10"), set()),
    ],
)
def test_a_command_changes_only_what_it_is_for_and_only_under_a_condition(
    command: commands.Command, verbs: set[str]
) -> None:
    changing = set(re.findall(r"/(?:disk|file)/(?:add|set|remove)", command.line))

    assert changing == verbs
    assert command.changes == bool(verbs)
    for verb in changing:
        assert re.search(rf":if \([^{{]*\) do={{[^}}]*{verb}", command.line)


def test_every_command_is_one_line() -> None:
    for command in (
        images.create_disk(LATEST, SPEC),
        images.remove_disk(LATEST, SPEC.slot, SPEC.path, None, copied=False),
    ):
        assert "\n" not in command.line
        assert command.line.isascii()
