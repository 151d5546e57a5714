"""This host: whether filesystems can be mounted on it, and that nothing is left behind."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from uuid import uuid4

from libs.core.errors import RdsCsiError
from libs.core.size import MIB
from libs.nvmeof import filesystems, loopdev
from libs.nvmeof.loopdev import Loop
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.mounter import TABLE, Mounter
from libs.nvmeof.mountinfo import MountTable
from libs.nvmeof.offload import Offload

_SIZE = 320 * MIB
"""mkfs.xfs makes no filesystem of less than 300 MB."""
_LIMIT = 10.0
_UNMOUNT_LIMIT = 30.0

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_TOOLS = {
    "xfs": ("mount", "umount", "blkid", "mkfs.xfs", "xfs_repair", "xfs_growfs"),
    "ext4": ("mount", "umount", "blkid", "mkfs.ext4", "e2fsck", "resize2fs"),
}
"""What the node plugin needs of a host, by filesystem; the first that works is taken."""

_CAP_SYS_RESOURCE = 24
"""Its number in include/uapi/linux/capability.h."""


class Need(Enum):
    """What a step needs of this host."""

    NOTHING = "nothing"
    NODE = "to mount a filesystem"
    GROWTH = "to grow a filesystem while it is mounted"


@dataclass(frozen=True)
class Host:
    """What can be shown here.

    Attributes:
        fs_type: the filesystem of the demo's volumes.
        missing: what cannot be had, and why.
    """

    fs_type: str = "ext4"
    missing: Mapping[Need, str] = field(default_factory=dict)

    @classmethod
    def without_node(cls, why: str) -> "Host":
        """Return a host on which nothing can be mounted."""
        return cls(missing={Need.NODE: why, Need.GROWTH: why})

    @property
    def lacks_node(self) -> bool:
        """Whether there is to be no node plugin."""
        return Need.NODE in self.missing


async def examine_host(directory: Path) -> Host:
    """Find out what can be shown here: by mounting something, which no list of rights foretells."""
    if why := _lacks_loops():
        return Host.without_node(why)
    reasons: dict[str, str] = {}
    for fs_type in _TOOLS:
        why = await _try_out(fs_type, directory)
        if not why:
            return Host(fs_type, _lacks_growth(fs_type, reasons))
        reasons[fs_type] = why
    if len(set(reasons.values())) == 1:
        return Host.without_node(reasons["ext4"])
    return Host.without_node("; ".join(f"{kind}: {why}" for kind, why in reasons.items()))


def list_left(directory: Path) -> tuple[list[str], list[Loop]]:
    """Return the mounts below a directory, the innermost first, and the loop devices there."""
    table = MountTable()
    with contextlib.suppress(FileNotFoundError):  # where there is no /proc, nothing was mounted
        table = MountTable.parse(TABLE.read_text(errors="surrogateescape"))
    points = [mount.point for mount in table.below(str(directory))]
    loops = [loop for loop in loopdev.list_loops() if loop.file.startswith(f"{directory}/")]
    return points, loops


def tidy(directory: Path) -> list[str]:
    """Unmount and detach everything below a directory; return what there was. It blocks."""
    points, loops = list_left(directory)
    for point in points:
        _unmount(point)
    for loop in loops:
        with contextlib.suppress(RdsCsiError):
            loopdev.detach(loop)
    return [*points, *(loop.device.path for loop in loops)]


def _unmount(point: str) -> None:
    """Unmount a place; where it is in use, its user keeps what is deleted anyway."""
    for flags in (("-c",), ("-c", "-l")):
        argv = ("umount", *flags, point)
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(argv, check=True, capture_output=True, timeout=_UNMOUNT_LIMIT)  # noqa: S603 (a list, no shell)
            return


def _lacks_loops() -> str:
    if os.geteuid() != 0:
        return "mounting needs root"
    if not Path("/sys/block").is_dir():
        return "there is no /sys here, which lists block devices"
    if not Path("/dev/loop-control").exists():
        return "this host has no loop devices (no /dev/loop-control)"
    return ""


def _lacks_growth(fs_type: str, reasons: Mapping[str, str]) -> Mapping[Need, str]:
    """Return why a mounted filesystem cannot grow: ext4 asks for a right that mounting does not."""
    status = Path("/proc/self/status").read_text().splitlines()
    rights = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    if fs_type == "xfs" or rights >> _CAP_SYS_RESOURCE & 1:
        return {}
    why = f"a mounted ext4 grows only with CAP_SYS_RESOURCE, and for xfs {reasons['xfs']}"
    return {Need.GROWTH: why}


async def _try_out(fs_type: str, directory: Path) -> str:
    """Return why a filesystem cannot be made, mounted and unmounted here; nothing if it can."""
    missing = [tool for tool in _TOOLS[fs_type] if shutil.which(tool, path=_PATH) is None]
    if missing:
        return f"this host has no {', '.join(missing)}"
    offload, point = Offload(), directory / "try"
    mounter = Mounter(offload)
    point.mkdir(exist_ok=True)
    try:
        async with _attached(directory / "try.img", offload) as device:
            await filesystems.make(device, fs_type, uuid4(), ())
            await mounter.mount(device, str(point), fs_type, ("rw",))
            await mounter.unmount(str(point))
    except RdsCsiError as error:
        return f"{error.message} ({_last_words(error.detail)})" if error.detail else error.message
    return ""


def _last_words(detail: str) -> str:
    """Return of a tool's words the end of the first line: what the kernel said."""
    return detail.splitlines()[0].rpartition(": ")[2].rstrip(".").lower()


@contextlib.asynccontextmanager
async def _attached(image: Path, offload: Offload) -> AsyncIterator[BlockDevice]:
    def attach() -> BlockDevice:
        with image.open("w+b") as file:
            file.truncate(_SIZE)
            return loopdev.attach(file.fileno())

    def detach() -> None:
        for loop in loopdev.list_loops():
            if loop.file == str(image):
                loopdev.detach(loop)
        image.unlink(missing_ok=True)

    try:
        yield await offload.run("a loop device", attach, limit=_LIMIT)
    finally:
        await offload.run("the end of a loop device", detach, limit=_LIMIT)
