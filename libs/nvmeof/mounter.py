"""Mounting and unmounting, looked up in the kernel's own table before and after."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from libs.nvmeof.errors import (
    DeviceInUse,
    HostHangs,
    HostUnable,
    MountTableUnreadable,
    NoMountPoint,
    ToolFailed,
    TwinMounted,
)
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.mountinfo import PLACEHOLDER, Mount, MountTable
from libs.nvmeof.offload import Offload
from libs.nvmeof.process import run_tool

log = structlog.get_logger(__name__)

TABLE = Path("/proc/self/mountinfo")
_TABLE_SECONDS = 10.0
_MOUNT_SECONDS = 60.0
"""Mounting replays a journal, over a network."""
_UNMOUNT_SECONDS = 60.0
"""Unmounting writes out everything that is not written yet."""
_LOOK_SECONDS = 10.0

_BUSY_TEXT = "busy"
"""What umount(8) prints, in English, for EBUSY; its exit code is the same for all failures."""

_EXISTS_TEXT = "File exists"
"""What mount(8) prints for EEXIST. Btrfs before Linux 6.7 says so of the second of two filesystems
with one UUID (fs/btrfs/volumes.c, `device_list_add`)."""

Users = Callable[[Mount], Sequence[str]]
"""Says who uses a mount, in words; called in a thread."""


class Mounter:
    """Changes mounts; nothing is believed that the table does not show afterwards.

    Args:
        offload: what runs the calls that may hang.
        table: the table of mounts.
    """

    def __init__(self, offload: Offload, table: Path = TABLE) -> None:
        self._offload = offload
        self._table = table
        self._unmounting: dict[str, int] = {}

    async def read_table(self) -> MountTable:
        """Return all mounts.

        Raises:
            MountTableUnreadable: it cannot be read, or makes no sense.
            HostHangs: it could not be read in time.
        """
        try:
            data = await self._offload.run(
                "the table of mounts", self._table.read_bytes, limit=_TABLE_SECONDS
            )
        except OSError as error:
            raise MountTableUnreadable(
                "the kernel's table of mounts cannot be read", detail=repr(error)
            ) from error
        # Paths are bytes, and those of any pod need not be text: they must not break the table.
        return MountTable.parse(data.decode(errors="backslashreplace"))

    async def mount(
        self, device: BlockDevice, point: str, fs_type: str, options: Sequence[str]
    ) -> Mount:
        """Mount a device, and return the mount once the table shows that it is of this device.

        Raises:
            ToolFailed: the kernel refused.
            NoMountPoint: it did, because there is no directory at that place.
            TwinMounted: it did, because of another filesystem.
            HostHangs: it did not end in time.
            MountStorm: the device is mounted absurdly often.
        """
        (await self.read_table()).check_storm(device.path, device.number)
        try:
            await run_tool(
                ("mount", "-c", "-t", fs_type, "-o", ",".join(options), device.path, point),
                limit=_MOUNT_SECONDS,
            )
        except ToolFailed as error:
            if _EXISTS_TEXT in error.detail:
                raise TwinMounted(_twin(device), detail=error.detail) from error
            raise await self._refused(point, error) from error
        found = (await self.read_table()).at(point)
        if found is not None and found.is_on(device.path, device.number):
            return found
        # Btrfs before Linux 6.7 may give the first of two filesystems with one UUID for the second.
        await self.unmount(point)
        raise ToolFailed(
            f"{device.path} was mounted, and the kernel shows another device there: its name is "
            "another one's by now, or a filesystem with the same UUID is mounted"
        )

    async def bind(self, source: str, target: str, *, read_only: bool) -> None:
        """Mount a directory at another place; done twice, it is right the second time.

        Raises:
            ToolFailed: the kernel refused.
            NoMountPoint: it did, because there is no directory at that place.
            HostHangs: it did not end in time.
        """
        table = await self.read_table()
        origin, there = table.at(source), table.at(target)
        if origin is None:
            raise ToolFailed(f"nothing is mounted at {source} that could be shown elsewhere")
        table.check_storm(origin.source, origin.device)
        if there is None or there.is_placeholder:
            try:
                await run_tool(("mount", "-c", "--bind", source, target), limit=_MOUNT_SECONDS)
            except ToolFailed as error:
                raise await self._refused(target, error) from error
        await self.set_read_only(target, read_only=read_only)

    async def _refused(self, point: str, error: ToolFailed) -> ToolFailed | NoMountPoint:
        if await self._offload.run(point, Path(point).is_dir, limit=_LOOK_SECONDS):
            return error
        message = f"{point} is not a directory any more, or never was"
        return NoMountPoint(message, detail=error.detail)

    async def place_nothing(self, point: str) -> None:
        """Have a place be empty and take no writes, so that nobody takes what is below for it.

        Raises:
            ToolFailed: the kernel refused.
            HostHangs: it did not end in time.
        """
        options = "ro,size=4k,mode=0555"
        await run_tool(
            ("mount", "-c", "-t", "tmpfs", "-o", options, PLACEHOLDER, point), limit=_MOUNT_SECONDS
        )

    async def set_read_only(self, target: str, *, read_only: bool) -> None:
        """Have one place of a filesystem refuse writes, or admit them again.

        Raises:
            ToolFailed: the kernel refused.
            HostHangs: it did not end in time.
        """
        mount = (await self.read_table()).at(target)
        if mount is not None and mount.is_read_only != read_only:
            mode = "ro" if read_only else "rw"
            await run_tool(
                ("mount", "-c", "-o", f"remount,bind,{mode}", target), limit=_MOUNT_SECONDS
            )

    async def unmount(self, point: str, users: Users | None = None) -> None:
        """Unmount whatever is at a place, all of it; what is in use stays.

        Where the kernel says that it is busy, and `users` finds nobody, it is taken out of sight
        and ends when its last user does: this is for uses that no process shows, such as another
        filesystem that lies in a file of it.

        Args:
            point: the place.
            users: who uses a mount; without it, a busy one is never taken out of sight.

        Raises:
            DeviceInUse: something uses it.
            HostHangs: it has not ended in time, or an earlier try has not.
            ToolFailed: the kernel refused.
        """
        while (mount := (await self.read_table()).at(point)) is not None:
            self._check_none_hangs(point)
            try:
                await self._unmount_once(("umount", "-c", point), point)
            except ToolFailed as error:
                if (await self.read_table()).at(point) != mount:
                    continue  # somebody else has unmounted it
                if _BUSY_TEXT not in error.detail:
                    raise
                await self._unmount_busy(mount, users, error)

    async def _unmount_busy(self, mount: Mount, users: Users | None, error: ToolFailed) -> None:
        if users is None:
            raise _in_use(mount.point, (), error)
        inside = [each for each in (await self.read_table()).below(mount.point) if each != mount]
        inside = [each for each in inside if each.point != mount.point]
        if inside:
            raise _in_use(mount.point, [f"mounted in it: {inside[0].point}"], error)
        found = await self._offload.run(
            mount.point, lambda: tuple(users(mount)), limit=_LOOK_SECONDS
        )
        if found:
            raise _in_use(mount.point, found, error)
        log.warning("a mount that nothing uses is busy, and is taken out of sight", at=mount.point)
        await self._unmount_once(("umount", "-c", "-l", mount.point), mount.point)

    async def _unmount_once(self, argv: Sequence[str], point: str) -> None:
        try:
            await run_tool(argv, limit=_UNMOUNT_SECONDS)
        except HostHangs as error:
            if error.pid:
                self._unmounting[point] = error.pid
            raise

    def _check_none_hangs(self, point: str) -> None:
        pid = self._unmounting.get(point)
        if pid is not None and Path(f"/proc/{pid}").exists():
            raise HostHangs(f"an earlier attempt to unmount {point} still waits in the kernel")
        self._unmounting.pop(point, None)

    async def answers(self, point: str) -> bool:
        """Whether a filesystem can be read at its root; one with I/O errors cannot.

        Raises:
            HostHangs: it does not answer.
            HostUnable: this process may not look.
        """

        def look() -> bool:
            try:
                with os.scandir(point) as entries:
                    next(entries, None)
                os.statvfs(point)
            except OSError as error:
                if error.errno in {errno.EACCES, errno.EPERM}:
                    raise HostUnable(
                        f"this process may not look at {point}: the node plugin must run "
                        "privileged",
                        detail=repr(error),
                    ) from error
                return False
            return True

        return await self._offload.run(point, look, limit=_LOOK_SECONDS)


def make_node(path: Path, number: tuple[int, int], mode: int = 0o660) -> None:
    """Make a device node, in place of another one if there is one; blocks.

    It is made beside its place and moved there, so that there is never half of it.
    """
    beside = _beside(path)
    beside.unlink(missing_ok=True)
    os.mknod(beside, 0o600 | stat.S_IFBLK, os.makedev(*number))
    beside.chmod(mode)  # whatever the umask is
    beside.replace(path)


def drop_unplaced_node(path: Path) -> None:
    """Remove a device node that `make_node` was killed before it moved to its place; blocks."""
    if node_number(_beside(path)) is not None:
        _beside(path).unlink(missing_ok=True)


def node_number(path: Path) -> tuple[int, int] | None:
    """Return the number of the device node at a path; None if there is none; blocks."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        status = path.lstat()
        if stat.S_ISBLK(status.st_mode):
            return os.major(status.st_rdev), os.minor(status.st_rdev)
    return None


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _in_use(point: str, users: Sequence[str], error: ToolFailed) -> DeviceInUse:
    who = "; ".join(users[:5]) or "the kernel does not say what"
    return DeviceInUse(f"{point} is in use and stays mounted: {who}", detail=error.detail)


def _twin(device: BlockDevice) -> str:
    return (
        f"{device.path} is a copy of a filesystem that is mounted on this node, with the same "
        "UUID: this kernel does not tell them apart (Btrfs can from Linux 6.7 on). Use the copy "
        "on another node, or once the other is unmounted"
    )
