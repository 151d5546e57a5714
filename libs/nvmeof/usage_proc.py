"""The processes of a host as `/proc` shows them. All of it blocks: it is run through `offload`.

A process that ends while it is read gives nothing, and no error. One that may not be read is one:
whoever asks what is unused must not take the answer without it.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from libs.nvmeof.errors import HostUnable
from libs.nvmeof.usage_parse import parse_mount_id

_ENDED = frozenset({errno.ENOENT, errno.ESRCH, errno.EINVAL})
"""What reading a process gives that has ended; EINVAL for the mounts of a zombie."""


@dataclass(frozen=True, slots=True)
class View:
    """A process, or a thread of it that sees something else than its first.

    Attributes:
        pid: the process.
        directory: its own, or the thread's.
        namespace: the mount namespace.
        root: the text of its root directory: a process sees no mounts outside of it.
    """

    pid: int
    directory: str
    namespace: str
    root: str


def list_pids(proc: str) -> list[int]:
    """Return the processes of the host.

    Raises:
        HostUnable: that cannot be read, or shows not even the one that asks.
    """
    pids = sorted(int(name) for name in list_names(proc) if name.isdecimal())
    if not pids:
        raise HostUnable(f"{proc} shows no processes")
    return pids


def list_hidden(proc: str = "/proc") -> frozenset[int]:
    """Return the processes that this one may not look at: on a node where it may, there are none.

    Raises:
        HostUnable: not even their numbers can be read.
    """
    return frozenset(pid for pid in list_pids(proc) if not _is_readable(proc, pid))


def own_pid(proc: str) -> int:
    """Return this process's number, or 0 where it is not in there."""
    link = read_link(f"{proc}/self")
    return int(link) if link and link.isdecimal() else 0


def list_views(proc: str, pid: int) -> Iterator[View]:
    """Yield a process, and those of its threads that have another namespace or directory.

    A process whose first thread has ended is seen through the next one: its files stay open.

    Raises:
        HostUnable: it may not be read.
    """
    seen = set()
    for thread in list_names(f"{proc}/{pid}/task"):
        directory = f"{proc}/{pid}/task/{thread}"
        namespace, root = read_link(f"{directory}/ns/mnt"), read_link(f"{directory}/root")
        if namespace is None or root is None:
            continue
        sees = (namespace, root, read_link(f"{directory}/cwd"))
        if sees not in seen:
            seen.add(sees)
            yield View(pid, directory, namespace, root)


def read_mount_id(link: str) -> int | None:
    """Return the mount that a link of `/proc` leads to, without reading anything of it.

    Raises:
        HostUnable: it may not be followed.
    """
    held = _hold(link)
    if held is None:
        return None
    try:
        return parse_mount_id(read_text(f"/proc/self/fdinfo/{held}"))
    finally:
        os.close(held)


def read_device_number(link: str) -> tuple[int, int] | None:
    """Return the number of the block device that a link of `/proc` leads to; it is not opened.

    Raises:
        HostUnable: it may not be followed.
    """
    held = _hold(link)
    if held is None:
        return None
    try:
        status = os.fstat(held)
    except OSError:
        return None  # XFS that was shut down says EIO of any file: one volume must not stop others
    finally:
        os.close(held)
    if not stat.S_ISBLK(status.st_mode):
        return None
    return os.major(status.st_rdev), os.minor(status.st_rdev)


def read_link(path: str) -> str | None:
    """Return the text of a link; None if its process has ended.

    Raises:
        HostUnable: it may not be read.
    """
    try:
        return os.readlink(path)  # noqa: PTH115 (a Path would normalise what is no path)
    except OSError as error:
        if error.errno in _ENDED:
            return None
        _refuse(error)


def list_names(directory: str) -> list[str]:
    """Return what is in a directory; nothing if its process has ended.

    Raises:
        HostUnable: it may not be read.
    """
    try:
        return os.listdir(directory)  # noqa: PTH208 (names are all that is needed)
    except OSError as error:
        if error.errno in _ENDED:
            return []
        _refuse(error)


def read_text(path: str) -> str:
    """Return what is in a file; nothing if its process has ended.

    Raises:
        HostUnable: it may not be read.
    """
    try:
        # Hundreds of times for each unmount; making a Path costs as much as reading.
        with open(path, "rb") as file:  # noqa: PTH123 (see above)
            return file.read().decode(errors="surrogateescape")
    except OSError as error:
        if error.errno in _ENDED:
            return ""
        _refuse(error)


def _is_readable(proc: str, pid: int) -> bool:
    try:
        for view in list_views(proc, pid):
            list_names(f"{view.directory}/fd")
    except HostUnable:
        return False
    return True


def _hold(link: str) -> int | None:
    """Hold a file by O_PATH: nothing of it is opened or read (open(2))."""
    try:
        return os.open(link, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _ENDED:
            return None
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    raise HostUnable(
        "what runs on this host cannot be seen whole; the plugin has to run privileged, with the "
        "host's process IDs",
        detail=repr(error),
    ) from error
