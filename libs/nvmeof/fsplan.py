"""What is to be done with what is on a device. Pure, and total: every doubt is a refusal.

A filesystem that was made over live data, because an error of reading looked like an empty disk, is
why this is a module of its own.
"""

import shlex
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from libs.core.errors import OutOfRange
from libs.nvmeof.errors import NotCertainlyEmpty
from libs.nvmeof.superblock import Superblock

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
        superblock: what the first bytes say themselves; None where they hold none that is known.
    """

    nqn: str
    size: int
    readable: bool
    blkid: int
    fs_type: str = ""
    other: str = ""
    superblock: Superblock | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the device must be, and what is to be on it.

    Attributes:
        nqn: the volume's subsystem NQN.
        size: bytes that the volume has at least; None where nobody says. Then nothing is formatted.
        fs_type: the filesystem.
        begun: the UUID of a filesystem that this node began to make on the volume, and that is not
            known to be finished; None for none.
    """

    nqn: str
    size: int | None
    fs_type: str
    begun: UUID | None = None


class Action(Enum):
    """What to do with the device."""

    MOUNT = "mount"
    """The filesystem that is wanted is on it."""

    FORMAT = "format"
    """It is certainly empty."""

    ERASE = "erase"
    """What is on it is our own and was never finished or mounted: no data was ever in it."""


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
    if probe.size < (wanted.size or 0):
        raise OutOfRange(
            f"the device has {probe.size} bytes, fewer than the {wanted.size} of the volume"
        )
    if probe.blkid == BLKID_FOUND:
        if _is_our_own_beginning(wanted, probe):
            return Action.ERASE
        if probe.superblock is not None and probe.superblock.unfinished:
            raise _refuse("a mkfs that was not begun here has not come to its end on it")
        if probe.fs_type == wanted.fs_type and not probe.other:
            return Action.MOUNT
        found = " and ".join(part for part in (probe.fs_type, probe.other) if part)
        raise _refuse(f"it has {found or 'something that blkid does not name'} on it")
    if probe.blkid == BLKID_NOTHING and not (probe.fs_type or probe.other or probe.superblock):
        if wanted.size is None:
            raise _refuse("it is empty, and nobody says how large the volume is")
        return Action.FORMAT
    raise _refuse(
        f"blkid ended with {probe.blkid}, which says neither what is on it nor that nothing is"
    )


def parse_blkid(code: int, text: str) -> tuple[str, str]:
    """Read what `blkid -p -o export` printed: the filesystem, and what else there is.

    Args:
        code: its exit code; what it prints counts only with the one for "found".
        text: lines of `KEY=value`, with backslashes before what a shell would read otherwise.
    """
    if code != BLKID_FOUND:
        return "", ""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found[key] = _plain(value)
    kind, usage = found.get("TYPE", ""), found.get("USAGE", "filesystem")
    is_filesystem = usage == "filesystem"
    table = found.get("PTTYPE", "")
    others = [] if is_filesystem or not kind else [kind]
    others += [f"a partition table ({table})"] if table else []
    return (kind if is_filesystem else ""), " and ".join(others)


def _plain(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value


def _is_our_own_beginning(wanted: Wanted, probe: Probe) -> bool:
    found = probe.superblock
    return (
        found is not None
        and found.unfinished
        and found.uuid == wanted.begun
        and not probe.other
        and probe.fs_type == wanted.fs_type == found.kind
    )


def _refuse(reason: str) -> NotCertainlyEmpty:
    return NotCertainlyEmpty(f"the device is neither used nor written to: {reason}")
