"""What the device's texts mean."""

import pytest

from libs.core.errors import RdsCsiError
from libs.rdsclient.errors import (
    CommandInterrupted,
    CommandRefused,
    CommandUnknown,
    EntryExists,
    GarbledReply,
    ItemInUse,
    NoSuchItem,
    PermissionRefused,
    PoolFull,
    error_from_text,
)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("failure: not enough space", PoolFull),
        ("write: No space left on device", PoolFull),
        ("out of space", PoolFull),
        ("failure: already have such slot", EntryExists),
        ("no such item (4)", NoSuchItem),
        ("not enough permissions (9)", PermissionRefused),
        ("failure: not allowed by device-mode", PermissionRefused),
        ("not allowed (9)", PermissionRefused),
        ("failure: disk in use", ItemInUse),
        ("In use by btrfs", ItemInUse),
        ("failure: device busy", ItemInUse),
        ("bad command name smart-info (line 1 column 7)", CommandUnknown),
        ("expected command name (line 1 column 1)", CommandUnknown),
        ("bad parameter nqn", CommandUnknown),
        ("unknown parameter nqn", CommandUnknown),
        ("syntax error (line 1 column 8)", CommandRefused),
        ("expected end of command (line 1 column 8)", CommandRefused),
        ("invalid value for argument file-size", CommandRefused),
        ("input does not match any value of disk", CommandRefused),
        ("ambiguous value of slot", CommandRefused),
        ("interrupted", CommandInterrupted),
        ("std failure: timeout (13)", CommandInterrupted),
        ("std failure: timeout", CommandInterrupted),
        ("action timed out", CommandInterrupted),
        ("failure: an ending that nobody has seen (13)", CommandInterrupted),
        (
            (
                "action timed out - try again, if error continues contact MikroTik support and "
                "send a supout file (13)"
            ),
            CommandInterrupted,
        ),
        ("failure: disk busy, action timed out (13)", CommandInterrupted),
        ("syntax error (line 13 column 13)", CommandRefused),
        # What is not known, but is a sentence, is a refusal; noise proves nothing.
        ("begin use", CommandRefused),
        ("busybody", CommandRefused),
        ("x", CommandRefused),
        ("failure: it's ~ 5 > 4\r\n\t(why?)", CommandRefused),
        ("", GarbledReply),
        ("7 disks", GarbledReply),
        ("failure: [a", GarbledReply),
        ("failure: {a", GarbledReply),
        ("failure \u20ac", GarbledReply),
        ("a\x00", GarbledReply),
    ],
)
def test_a_text_of_the_device_is_an_error_of_one_kind(text: str, error: type[RdsCsiError]) -> None:
    found = error_from_text(text)

    assert type(found) is error
    assert text in found.detail or repr(text) == found.detail


def test_the_first_meaning_that_fits_decides() -> None:
    found = error_from_text("failure: not enough space: already have such entry in use")

    assert type(found) is PoolFull
