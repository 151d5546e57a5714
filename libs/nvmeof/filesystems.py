"""The tools of filesystems: what is on a device, make, check and grow. Nothing decides here."""

from collections.abc import Sequence
from enum import Enum
from uuid import UUID

import structlog

from libs.core.errors import InUse
from libs.core.size import MIB
from libs.nvmeof.blockdev import read_device
from libs.nvmeof.errors import HostHangs, HostUnable, ToolFailed
from libs.nvmeof.fsplan import Probe, parse_blkid
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.offload import Offload
from libs.nvmeof.process import run_tool
from libs.nvmeof.superblock import parse_superblock

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 20.0
_MAKE_SECONDS = 600.0
_GROW_SECONDS = 300.0

_MAKE: dict[str, tuple[tuple[str, ...], str]] = {
    # Room for root is of no use in a volume. Blocks are not discarded: the volume is new, and for a
    # large one that takes minutes.
    "ext4": (("mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard"), "-U"),
    "ext3": (("mkfs.ext3", "-q", "-m", "0", "-E", "nodiscard"), "-U"),
    "xfs": (("mkfs.xfs", "-q", "-K"), "-m uuid="),
    "btrfs": (("mkfs.btrfs", "-q", "-K"), "-U"),
}
"""How a filesystem is made, and how its UUID is given. None is forced: mkfs.xfs and mkfs.btrfs look
for themselves, too, whether there is something on the device."""

_FSCK_FINE = {0, 1, 2}
"""Exit codes of e2fsck(8): no errors, errors corrected, and corrected with a reboot advised."""

_NOTHING_SAID = (
    "valuable metadata changes in a log",
    "Cannot proceed further in no_modify mode",
)
"""What xfs_repair(8) prints of a log that is to be replayed: what it says besides means little. The
second comes where a filesystem has just grown, and its new size is in the log and in the copies of
its superblock only; it then ends without a look at the log. Mounting tells whether that is all."""


_LEAST_BTRFS = 256 * MIB
"""A size below this the kernel refuses for a mounted Btrfs, even the one that it has already
(`btrfs_ioctl_resize` in fs/btrfs/ioctl.c of Linux)."""

_NO_CAPABILITY = "Permission denied to resize"
"""What resize2fs(8) prints where the kernel wants CAP_SYS_RESOURCE (fs/ext4/resize.c of Linux)."""


class Damaged(InUse):
    """A filesystem has errors that nobody but an administrator should repair."""


class Check(Enum):
    """What checking a filesystem gave."""

    FINE = "fine"
    MENDED = "mended"
    SKIPPED = "skipped"


async def probe(device: BlockDevice, nqn: str, offload: Offload) -> Probe:
    """Find out what is on a device.

    Raises:
        NoDevice: it is not there any more, or another one is.
        HostHangs: it does not answer.
        HostUnable: this host has no blkid.
    """
    reading = await offload.run(nqn, lambda: read_device(device), limit=_PROBE_SECONDS)
    ended = await run_tool(
        ("blkid", "-p", "-o", "export", device.path), limit=_PROBE_SECONDS, allowed=None
    )
    fs_type, other = parse_blkid(ended.code, ended.out)
    return Probe(
        nqn=nqn,
        size=reading.size,
        readable=reading.readable,
        blkid=ended.code,
        fs_type=fs_type,
        other=other,
        superblock=parse_superblock(reading.head),
    )


async def make(device: BlockDevice, fs_type: str, uuid: UUID, options: Sequence[str]) -> None:
    """Make a filesystem. Whether that may be done has been decided before.

    Raises:
        ToolFailed: it could not be made.
        HostHangs: it took too long.
        HostUnable: this host has not got the tool.
    """
    command, uuid_option = _MAKE[fs_type]
    given = f"{uuid_option}{uuid}" if uuid_option.endswith("=") else f"{uuid_option} {uuid}"
    argv = (*command, *given.split(), *options, device.path)
    await run_tool(argv, limit=_MAKE_SECONDS)


async def check(device: BlockDevice, fs_type: str, limit: float) -> Check:
    """Check a filesystem that is mounted nowhere; mend what can be mended without a question.

    ext3 and ext4 are replayed and mended. XFS is only looked at, because mounting it replays its
    log; where the log is to be replayed, or the look takes too long, nothing is concluded. Btrfs
    checks itself while it is used.

    Args:
        device: what it is on.
        fs_type: its kind.
        limit: seconds.

    Raises:
        Damaged: it has errors beyond that.
        HostHangs: it took too long, with ext3 and ext4.
        HostUnable: this host has not got the tool.
    """
    if fs_type in {"ext4", "ext3"}:
        ended = await run_tool(("e2fsck", "-p", device.path), limit=limit, allowed=None)
        if ended.code not in _FSCK_FINE:
            raise Damaged(
                f"the filesystem has errors that e2fsck -p does not mend (it ended with "
                f"{ended.code}): look at it with e2fsck -f on a node where it is not mounted",
                detail=ended.text[-2000:],
            )
        return Check.MENDED if ended.code else Check.FINE
    if fs_type == "xfs":
        return await _look_at_xfs(device, limit)
    return Check.SKIPPED


async def _look_at_xfs(device: BlockDevice, limit: float) -> Check:
    try:
        ended = await run_tool(("xfs_repair", "-n", device.path), limit=limit, allowed=None)
    except HostHangs as error:
        log.warning("an XFS filesystem is mounted unchecked", device=device.path, reason=str(error))
        return Check.SKIPPED
    if ended.code == 0:
        return Check.FINE
    if any(text in ended.text for text in _NOTHING_SAID):
        return Check.SKIPPED
    raise Damaged(
        f"the filesystem has errors (xfs_repair -n ended with {ended.code}): repair it with "
        "xfs_repair on a node where it is not mounted",
        detail=ended.text[-2000:],
    )


async def grow(device: BlockDevice, fs_type: str, mount_point: str) -> None:
    """Have a mounted filesystem use the whole of its device; one that does already is left alone.

    So is a Btrfs on a device of less than 256 MiB, whose size the kernel never changes.

    Raises:
        ToolFailed: it could not grow.
        HostUnable: this process may not have it grow, or this host has not got the tool.
        HostHangs: it took too long.
    """
    if fs_type == "btrfs" and device.size < _LEAST_BTRFS:
        log.info("a Btrfs filesystem of this size does not grow", device=device.path)
        return
    argv = {
        "xfs": ("xfs_growfs", "-d", mount_point),
        "btrfs": ("btrfs", "filesystem", "resize", "max", mount_point),
    }.get(fs_type, ("resize2fs", device.path))
    try:
        await run_tool(argv, limit=_GROW_SECONDS)
    except ToolFailed as error:
        if _NO_CAPABILITY not in error.detail:
            raise
        raise HostUnable(
            "a mounted ext4 grows only for a process with CAP_SYS_RESOURCE: the plugin has to run "
            "privileged",
            detail=error.detail,
        ) from error
