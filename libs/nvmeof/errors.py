"""What can go wrong on the host, each under the family that says what may be concluded."""

from libs.core.errors import InUse, Refused, Unreachable


class MountStorm(Refused):
    """One device is mounted absurdly often: something multiplies mounts, and must not be helped."""


class MountTableUnreadable(Unreachable):
    """The kernel's table of mounts cannot be read, or makes no sense."""


class NotCertainlyEmpty(InUse):
    """A device is neither certainly empty nor certainly what is wanted; nothing was written."""
