"""Loop devices, which stand in for disks. All of it blocks: it is run through `offload`.

They are asked for by ioctl and not by losetup(8): the kernel is given a file that is open already,
so that nobody can put another one in its place by a link. What there is is read from sysfs each
time; a name is never remembered, because the kernel gives it to another file as soon as it is free.
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.nvmeof.blockdev import BLKROSET
from libs.nvmeof.errors import HostUnable, NoDevice
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.mountinfo import MountTable
from libs.nvmeof.usage_parse import parse_mount_id

SYS = Path("/sys")
DEV = Path("/dev")

_CLR_FD = 0x4C01
_SET_CAPACITY = 0x4C07
_CONFIGURE = 0x4C0A
_GET_FREE = 0x4C82
_DIRECT_IO = 16
"""Numbers of include/uapi/linux/loop.h."""

_CONFIG = struct.Struct("=II5Q4I64s64s32s2Q8Q")
"""`struct loop_config` there: descriptor, block size, `struct loop_info64`, reserved."""

_TRIES = 200
"""How often a free device is asked for: between the answer and its use others may take it."""

_SECTOR = 512
_NODE_MODE = stat.S_IFBLK | 0o600
_DELETED = " (deleted)"
_GONE = frozenset({errno.ENXIO, errno.ENODEV, errno.ENOENT})


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop device that has a file.

    Attributes:
        device: it.
        file: the path of its file.
        is_deleted: whether that file has been removed; the device keeps its content.
    """

    device: BlockDevice
    file: str
    is_deleted: bool = False


def list_loops(sys: Path = SYS) -> tuple[Loop, ...]:
    """Return all loop devices of this host that have a file, in the order of their numbers."""
    found = (_read(directory) for directory in (sys / "block").glob("loop*"))
    return tuple(sorted((loop for loop in found if loop), key=lambda loop: loop.device.number))


def attach(file: int) -> BlockDevice:
    """Make a loop device of an open file, and return it.

    It goes past the page cache of the file's filesystem where that can do so. What a filesystem on
    it has flushed is then on the disk below, all devices on one file see the same, and memory is
    not used twice. With Btrfs it does not: its checksums fail where a page changes while it is
    written. Either way the device is the kernel's, and outlives this process.

    Raises:
        HostUnable: this host has no loop devices, or the file cannot be used for one.
    """
    if not (SYS / "block").is_dir():
        raise HostUnable("this host shows no block devices: /sys is not mounted")
    flags = _DIRECT_IO if _can_go_direct(file) else 0
    info = (*(0,) * 8, flags, b"", b"", b"", 0, 0)
    config = _CONFIG.pack(file, 0, *info, *(0,) * 8)
    for _ in range(_TRIES):
        number = _free_number()
        try:
            with _opened(_node(number)) as descriptor:
                fcntl.ioctl(descriptor, _CONFIGURE, config)
                # Unlike a namespace, a loop device that refused writes still does with a new file.
                fcntl.ioctl(descriptor, BLKROSET, struct.pack("i", 0))
                loop = _read(SYS / "block" / f"loop{number}")
                if loop is not None:
                    return loop.device
                fcntl.ioctl(descriptor, _CLR_FD)  # what sysfs does not show would never be found
        except OSError as error:
            if error.errno not in {errno.EBUSY, *_GONE}:
                raise HostUnable(
                    "no loop device can be made of the file", detail=repr(error)
                ) from error
    raise HostUnable(f"no loop device stayed free in {_TRIES} tries")


def detach(loop: Loop) -> None:
    """Take the file from a loop device: now, or as soon as nothing has it open any more.

    A device that has another file by now is left alone.

    Raises:
        HostUnable: the kernel refuses.
    """
    _change(loop, _CLR_FD)


def rescan(loop: Loop) -> None:
    """Have a loop device take the size that its file has now.

    Raises:
        NoDevice: it has another file by now, or none.
        HostUnable: the kernel refuses.
    """
    if not _change(loop, _SET_CAPACITY):
        raise NoDevice("the loop device has gone")


def _read(directory: Path) -> Loop | None:
    try:
        file = (directory / "loop" / "backing_file").read_text(errors="surrogateescape")
        major, _, minor = (directory / "dev").read_text().strip().partition(":")
        size = int((directory / "size").read_text()) * _SECTOR
    except OSError:
        return None  # it has no file, or not any more
    file = file.removesuffix("\n")
    if not file:
        return None
    device = BlockDevice(str(DEV / directory.name), (int(major), int(minor)), size)
    return Loop(device, file.removesuffix(_DELETED), file.endswith(_DELETED))


def _can_go_direct(file: int) -> bool:
    own = Path("/proc/self")
    try:
        mount_id = parse_mount_id((own / "fdinfo" / str(file)).read_text())
        table = MountTable.parse((own / "mountinfo").read_text(errors="surrogateescape"))
    except OSError:
        return False
    kinds = {mount.fs_type for mount in table.mounts if mount.id == mount_id}
    return bool(kinds) and "btrfs" not in kinds


def _free_number() -> int:
    try:
        with _opened(DEV / "loop-control") as control:
            return fcntl.ioctl(control, _GET_FREE)
    except OSError as error:
        raise HostUnable("this host has no loop devices", detail=repr(error)) from error


def _node(number: int) -> Path:
    """Return a device's node; a container has only those that were there when it started."""
    path = DEV / f"loop{number}"
    if not path.exists():
        major, _, minor = (SYS / "block" / path.name / "dev").read_text().partition(":")
        with contextlib.suppress(FileExistsError):
            os.mknod(path, _NODE_MODE, os.makedev(int(major), int(minor)))
    return path


def _change(loop: Loop, request: int) -> bool:
    """Send a request to a device, unless by now it is not what it was; whether it was sent.

    While the device is held open, its file is not taken from it.
    """
    path = Path(loop.device.path)
    try:
        with _opened(_node(int(path.name.removeprefix("loop"))), os.O_RDONLY) as descriptor:
            now = _read(SYS / "block" / path.name)
            number = os.fstat(descriptor).st_rdev
            if (os.major(number), os.minor(number)) != loop.device.number:
                raise HostUnable(f"{path} is not the device that it should be")
            if now is None or now.file != loop.file:
                return False
            fcntl.ioctl(descriptor, request)
            return True
    except OSError as error:
        if error.errno in _GONE:
            return False
        raise HostUnable("the loop device cannot be changed", detail=repr(error)) from error


@contextlib.contextmanager
def _opened(path: Path, mode: int = os.O_RDWR) -> Iterator[int]:
    descriptor = os.open(path, mode | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
