"""What is to be done with what is on a device. Pure, and total: every doubt is a refusal.

A filesystem that was made over live data, because an error of reading looked like an empty disk, is
why this is a module of its own.
"""

from dataclasses import dataclass
from enum import Enum

from libs.core.errors import OutOfRange
from libs.nvmeof.errors import NotCertainlyEmpty

BLKID_FOUND = 0
BLKID_NOTHING = 2
"""Exit codes of `blkid -p` (blkid(8)). 2 also means that the device is not there, or cannot be
read, so it proves nothing alone."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found out about a device, each answer from the device itself.

    Attributes:
        nqn: the subsystem NQN that sysfs gives for it.
        size: bytes, as the kernel has it.
        readable: whether its start, 1 MiB into it, and its end were read just now, all of them.
        blkid: the exit code of `blkid -p`.
        fs_type: the filesystem that blkid found; empty for none.
        other: what else blkid found, such as a partition table or a RAID member; empty for nothing.
    """

    nqn: str
    size: int
    readable: bool
    blkid: int
    fs_type: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the device must be, and what is to be on it.

    Attributes:
        nqn: the volume's subsystem NQN.
        size: bytes that the volume has at least.
        fs_type: the filesystem.
    """

    nqn: str
    size: int
    fs_type: str


class Action(Enum):
    """What to do with the device."""

    MOUNT = "mount"
    """The filesystem that is wanted is on it."""

    FORMAT = "format"
    """It is certainly empty."""


def decide(wanted: Wanted, probe: Probe) -> Action:
    """Return what to do; only a device that is proven empty may be formatted.

    Raises:
        NotCertainlyEmpty: it is another device, cannot be read, or has something else on it.
        OutOfRange: it is smaller than the volume: it has not grown yet, or is another one.
    """
    if probe.nqn != wanted.nqn:
        raise _refuse(f"it belongs to subsystem {probe.nqn or 'of no name'}, not {wanted.nqn}")
    if not probe.readable:
        raise _refuse("its start, its middle or its end cannot be read")
    if probe.size < wanted.size:
        raise OutOfRange(
            f"the device has {probe.size} bytes, fewer than the {wanted.size} of the volume"
        )
    if probe.blkid == BLKID_FOUND:
        if probe.fs_type == wanted.fs_type and not probe.other:
            return Action.MOUNT
        found = " and ".join(part for part in (probe.fs_type, probe.other) if part)
        raise _refuse(f"it has {found or 'something that blkid does not name'} on it")
    if probe.blkid == BLKID_NOTHING and not (probe.fs_type or probe.other):
        return Action.FORMAT
    raise _refuse(
        f"blkid ended with {probe.blkid}, which says neither what is on it nor that nothing is"
    )


def _refuse(reason: str) -> NotCertainlyEmpty:
    return NotCertainlyEmpty(f"the device is neither used nor written to: {reason}")
