"""Device text becomes an error class: one table, each class under one of the families."""

import re

from libs.core.errors import (
    Conflict,
    Exhausted,
    InUse,
    NotFound,
    OutcomeUnknown,
    RdsCsiError,
    Refused,
    Unreachable,
    Unsupported,
)


class PoolFull(Exhausted):
    """The pool has no room for what was asked."""


class EntryExists(Conflict):
    """The device has an item of that name already."""


class NoSuchItem(NotFound):
    """The item that was addressed is not on the device."""


class ItemInUse(InUse):
    """The device says that the item is in use."""


class PermissionRefused(Refused):
    """The user of the driver may not do this."""


class CommandRefused(Refused):
    """The device did not understand the command, or refused it for a reason that is not known."""


class CommandUnknown(Unsupported):
    """The release does not have the command or property."""


class CommandInterrupted(OutcomeUnknown):
    """The device broke the command off."""


class GarbledReply(OutcomeUnknown):
    """The reply was cut off or is not in the form that was asked for."""


class ConnectionLost(OutcomeUnknown):
    """The connection went away after the command was sent."""


class CommandTimeout(OutcomeUnknown):
    """No answer came within the command's deadline."""


class DeviceAway(Unreachable):
    """There is no connection to the device; nothing was sent."""


class ReadFailed(Unreachable):
    """A question was asked and not answered; nothing can have changed."""


class QueueTimeout(Unreachable):
    """The deadline passed while waiting for a free channel; nothing was sent."""


class HostKeyRefused(Unreachable):
    """The device shows another host key than the one that is pinned; nothing was sent."""


class LoginRefused(Unreachable):
    """The device does not accept the user, key or password; nothing was sent."""


# The first match decides. Wordings come from the console itself, from people's reports where that
# is said, and are looked for anywhere in the text because a context may stand before them.
_TABLE: tuple[tuple[str, type[RdsCsiError], str], ...] = (
    # Code 13: the console gave up waiting, and what it began may go on. Whatever else stands beside
    # it, so it comes first: nothing may be concluded, least of all that nothing was done.
    (
        r"interrupted|timed out|\btimeout\b|\(13\)",
        CommandInterrupted,
        "the device broke the command off",
    ),
    # Reported by people; nobody recorded what a full pool really says.
    (r"not enough space|no space left|out of space", PoolFull, "the pool has too little room"),
    (r"already have", EntryExists, "the device has such an entry already"),
    (r"no such item", NoSuchItem, "the device has no such item"),
    (r"not enough permissions", PermissionRefused, "the device user lacks a permission"),
    (
        r"not allowed by device-mode|not allowed \(9\)",
        PermissionRefused,
        "the device does not allow this (device-mode or the user's policy)",
    ),
    (r"\bin use\b|\bbusy\b", ItemInUse, "the device says that it is in use"),
    (
        r"bad command name|expected command name|bad parameter|unknown parameter",
        CommandUnknown,
        "the device's release does not know a command or property",
    ),
    (
        (
            r"syntax error|expected end of command|invalid value for argument"
            r"|input does not match any value|ambiguous value"
        ),
        CommandRefused,
        "the device did not accept the command",
    ),
)
_RULES = tuple((re.compile(p, re.IGNORECASE), error, words) for p, error, words in _TABLE)


# What the console says when it refuses; noise instead of it proves nothing.
_SENTENCE = re.compile(r"[A-Za-z][ -Z\\^-z|~\r\n\t]*")


def error_from_text(text: str) -> RdsCsiError:
    """Return the error that a device text stands for; the text itself is kept for the log only."""
    for pattern, error, words in _RULES:
        if pattern.search(text):
            return error(words, detail=text)
    if not _SENTENCE.fullmatch(text.strip()):
        return GarbledReply("the device's answer is not in words", detail=repr(text))
    return CommandRefused("the device refused the command", detail=text)
