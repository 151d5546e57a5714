"""Who uses a block device and what is mounted of it. All of it blocks: it is run through `offload`.

Nothing here touches a filesystem that may hang. What is read is `/proc`, and from there the way to
a file is never walked: the kernel tells by number on which mount a file was opened. Where a file
has to be held, it is by O_PATH, which reads nothing of it, and only on local filesystems.

What it cannot see: references of the kernel itself (swap, a socket bound to a name, an export),
files opened on a mount that was since detached, and a mount namespace without a process in it. An
unmount that the kernel refuses with EBUSY tells of the first, `blockdev.is_claimed` of the rest.
The answer is of the moment, and only whole where `/proc` is that of the host's first PID namespace.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from libs.nvmeof.mountinfo import Mount, MountTable
from libs.nvmeof.usage_parse import (
    goes_with,
    mount_over,
    parse_mapped,
    parse_mount_id,
    read_masters,
)
from libs.nvmeof.usage_proc import (
    View,
    list_names,
    list_pids,
    list_views,
    own_pid,
    read_device_number,
    read_link,
    read_mount_id,
    read_text,
)

PROC = Path("/proc")

_LOCAL = frozenset(
    ["btrfs", "devtmpfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs"]
)
"""Filesystems that tell of an open file without I/O: those of our volumes, and those that hold
device nodes. Another one, as NFS, may ask a server that is away."""


class How(Enum):
    """In which way something is used."""

    OPEN_FILE = "open file"
    DIRECTORY = "working directory"
    ROOT = "root directory"
    MAPPED = "mapped file"
    MOUNTED = "mounted in its namespace"
    OPEN_DEVICE = "open device"
    MAKES_FILESYSTEM = "makes a filesystem on it"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked after.

    Attributes:
        numbers: the block device's, and that of its mount, which differs with Btrfs.
        path: the kernel's name of the device, such as `/dev/nvme0n1`; a filesystem that makes up
            its device numbers, as Btrfs, is known by it.
        points: where we have it mounted in our own namespace: these mounts are no use of it.
    """

    numbers: frozenset[tuple[int, int]]
    path: str = ""
    points: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class User:
    """One use.

    Attributes:
        pid: the process; of a mount, the one with the lowest number in its namespace.
        comm: its name, which it may have chosen itself.
        how: what it does.
        point: where the mount is, as seen in its namespace; only with `MOUNTED`.
        propagates: that mount goes when ours at `Subject.points` go, and so is no use by itself.
            The private namespaces of system services are full of such; a volume in a container
            is none.
    """

    pid: int
    comm: str
    how: How
    point: str = ""
    propagates: bool = False

    def __str__(self) -> str:
        at = f" at {self.point}" if self.point else ""
        return f"{self.comm} ({self.pid}): {self.how.value}{at}"


def read_users(
    subject: Subject, proc: Path = PROC, leave_out: Collection[int] = ()
) -> tuple[User, ...]:
    """Return who uses a device or what is mounted of it; this process itself does not count.

    A process that ends meanwhile is left out.

    Args:
        subject: what is asked after.
        proc: where `/proc` of the host is.
        leave_out: processes that do not count; for development on a machine that hides some even
            from root (`usage_proc.list_hidden`). On a node there must be none.

    Raises:
        HostUnable: a process may not be looked at: without it the answer would not be whole.
        MountTableUnreadable: the mounts of a namespace cannot be read.
    """
    return _Reading(subject, str(proc)).read(leave_out)


@dataclass(slots=True)
class _Namespace:
    pid: int
    roots: set[str] = field(default_factory=set)
    mounts: dict[int, Mount] = field(default_factory=dict)
    points: dict[str, Mount] = field(default_factory=dict)


class _Reading:
    """One reading: first all namespaces, then what processes have open there."""

    def __init__(self, subject: Subject, proc: str) -> None:
        self._subject = subject
        self._proc = proc
        self._own = own_pid(proc)
        self._namespaces: dict[str, _Namespace] = {}
        self._mounts: dict[int, Mount] = {}
        self._matching: set[int] = set()
        self._users: dict[tuple[int, How, str], User] = {}

    def read(self, leave_out: Collection[int]) -> tuple[User, ...]:
        pids = [pid for pid in list_pids(self._proc) if pid not in leave_out]
        views = [view for pid in pids for view in list_views(self._proc, pid)]
        for view in sorted(views, key=lambda view: view.root != "/"):  # the whole tables first
            self._read_mounts(view)
        self._matching = {mount.id for mount in self._mounts.values() if self._is_on(mount)}
        self._judge_mounts()
        others = [view for view in views if view.pid != self._own]
        for view in others:
            self._read_directories(view)
            self._read_files(view)
            self._read_command(view)
        for view in others:  # last: a process that waits for a disk may keep its maps locked
            self._read_maps(view)
        return tuple(sorted(self._users.values(), key=lambda u: (u.pid, u.how.value, u.point)))

    def _is_on(self, mount: Mount) -> bool:
        subject = self._subject
        return any(mount.is_on(subject.path, number) for number in subject.numbers)

    def _read_mounts(self, view: View) -> None:
        """Read the mounts of a namespace, once for each root: a table shows what is below it."""
        space = self._namespaces.setdefault(view.namespace, _Namespace(view.pid))
        if view.root in space.roots:
            return
        text = read_text(f"{view.directory}/mountinfo")
        if not text:
            return  # it has ended; another process may stand for the namespace
        table = MountTable.parse(text).mounts
        if not space.roots:
            space.points = {mount.point: mount for mount in table}
        space.roots.add(view.root)
        for mount in table:
            space.mounts.setdefault(mount.id, mount)
            self._mounts.setdefault(mount.id, mount)

    def _judge_mounts(self) -> None:
        own = self._namespaces.get(read_link(f"{self._proc}/self/ns/mnt") or "", _Namespace(0))
        ours = [
            mount
            for mount in own.mounts.values()
            if mount.id in self._matching and mount.point in self._subject.points
        ]
        masters = read_masters(
            mount for space in self._namespaces.values() for mount in space.mounts.values()
        )
        for space in self._namespaces.values():
            for mount in space.mounts.values():
                if mount.id in self._matching and not (space is own and mount in ours):
                    follows = any(
                        goes_with(mount, space.mounts, our, own.mounts, masters) for our in ours
                    )
                    self._add(space.pid, How.MOUNTED, mount.point, propagates=follows)

    def _read_directories(self, view: View) -> None:
        points = self._namespaces[view.namespace].points
        for name, how in (("cwd", How.DIRECTORY), ("root", How.ROOT)):
            link = f"{view.directory}/{name}"
            below = mount_over(read_link(link) or "/", points)
            may_hang = below is not None and below.fs_type not in _LOCAL
            if not may_hang and read_mount_id(link) in self._matching:
                self._add(view.pid, how)

    def _read_files(self, view: View) -> None:
        for name in list_names(f"{view.directory}/fd"):
            link = f"{view.directory}/fd/{name}"
            if not (read_link(link) or "").startswith("/"):
                continue  # a pipe, a socket and the like
            mount_id = parse_mount_id(read_text(f"{view.directory}/fdinfo/{name}"))
            if mount_id is None:
                continue
            if mount_id in self._matching:
                self._add(view.pid, How.OPEN_FILE)
            elif (
                self._holds_devices(mount_id) and read_device_number(link) in self._subject.numbers
            ):
                self._add(view.pid, How.OPEN_DEVICE)

    def _read_command(self, view: View) -> None:
        """Find a mkfs by what it was told to work on: that of Btrfs opens its device repeatedly."""
        if read_text(f"{view.directory}/comm").startswith("mkfs"):
            words = read_text(f"{view.directory}/cmdline").split("\0")
            if self._subject.path in words:
                self._add(view.pid, How.MAKES_FILESYSTEM)

    def _holds_devices(self, mount_id: int) -> bool:
        mount = self._mounts.get(mount_id)
        return mount is not None and mount.fs_type in _LOCAL and "nodev" not in mount.options

    def _read_maps(self, view: View) -> None:
        seen = self._namespaces[view.namespace].mounts.keys() & self._matching
        if not seen:
            return
        numbers = {self._mounts[mount_id].device for mount_id in seen}
        if numbers & parse_mapped(read_text(f"{view.directory}/maps")):
            self._add(view.pid, How.MAPPED)

    def _add(self, pid: int, how: How, point: str = "", *, propagates: bool = False) -> None:
        key = (pid, how, point)
        if key not in self._users or not propagates:  # the use that stays is the one that counts
            comm = read_text(f"{self._proc}/{pid}/comm").rstrip("\n")
            self._users[key] = User(pid, comm, how, point, propagates)
