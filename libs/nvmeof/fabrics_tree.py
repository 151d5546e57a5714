"""The NVMe part of sysfs as it lies on a disk: reading and writing it. Blocks; called in threads.

Controllers are found by the links in their subsystem's directory and never in /sys/class/nvme: one
that has not finished its first connect is only there, and its attributes are not all filled in.
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from libs.core.errors import Unreachable
from libs.nvmeof.errors import HostUnable
from libs.nvmeof.sysfs import (
    CONTROLLER_FILES,
    DISK_FILES,
    Files,
    Subsystem,
    is_controller,
    is_disk,
    parse_nqn,
    parse_subsystem,
)

Places = tuple[str, ...]
"""Names of the directories in which a subsystem was found."""

Index = Mapping[str, Places]
"""Where each subsystem is, by NQN."""

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR, errno.ENXIO})
"""What a file says that was there a moment ago. Every other error is one: a subsystem that could
not be read must not pass for one that is not connected."""

_MAY_NOT = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_LONGEST = 4096
"""An attribute of sysfs is at most a page (Documentation/filesystems/sysfs.rst of Linux)."""


def number_of_block_device(path: str) -> tuple[int, int] | None:
    """Return major and minor number of a device node; None if it is not there, or none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    if not stat.S_ISBLK(status.st_mode):
        return None
    return os.major(status.st_rdev), os.minor(status.st_rdev)


class NvmeTree:
    """Reads subsystems and writes attributes of controllers.

    Args:
        sys: where sysfs is mounted.
        dev: where device nodes are.
        number_of: returns the number of a device node; another one in tests, which may make none.
    """

    def __init__(
        self,
        sys: Path = Path("/sys"),
        dev: Path = Path("/dev"),
        number_of: Callable[[str], tuple[int, int] | None] = number_of_block_device,
    ) -> None:
        self._sys = sys
        self._root = sys / "class" / "nvme-subsystem"
        self._dev = dev
        self._number_of = number_of

    def index(self) -> Index:
        """Return where each subsystem is.

        Raises:
            Unreachable: sysfs cannot be read.
        """
        found: dict[str, Places] = {}
        for name in _names(self._root):
            if nqn := parse_nqn(_read(self._root / name / "subsysnqn") or ""):
                found[nqn] = (*found.get(nqn, ()), name)
        return found

    def read(self, nqn: str, places: Places) -> Subsystem | None:
        """Return what is in the directories of a subsystem; None if they are another's by now.

        Raises:
            Unreachable: sysfs cannot be read.
        """
        controllers: dict[str, Files] = {}
        disks: dict[str, Files] = {}
        for directory in (self._root / place for place in places):
            if parse_nqn(_read(directory / "subsysnqn") or "") != nqn:
                return None
            for name in _names(directory):
                if is_controller(name):
                    controllers[name] = _files(directory / name, CONTROLLER_FILES)
                    disks.update(_disks(directory / name))
            disks.update(_disks(directory))
        return parse_subsystem(nqn, controllers, disks, str(self._dev))

    def has_node(self, path: str, number: tuple[int, int]) -> bool:
        """Whether a device node is there, and is the one that sysfs means."""
        return self._number_of(path) == number

    def lacks_attribute(self, controller: str, attribute: str) -> bool:
        """Whether a controller is there, and the kernel does not show an attribute of it."""
        directory = self._sys / "class" / "nvme" / controller
        return not os.path.lexists(directory / attribute) and directory.exists()

    def write(self, nqn: str, controller: str, attribute: str) -> bool:
        """Write `1` to an attribute of a subsystem's controller.

        The directory is held open while its NQN is read and the attribute written: the number of a
        controller that is gone may be that of another subsystem's in between.

        Returns:
            Whether it was; not if the controller is gone or another's.

        Raises:
            HostUnable: this process may not.
            Unreachable: the kernel did not take it.
        """
        try:
            handle = os.open(
                self._sys / "class" / "nvme" / controller, os.O_RDONLY | os.O_DIRECTORY
            )
        except OSError as error:
            return _gone(error, controller)
        try:
            return _write_at(handle, nqn, attribute)
        except OSError as error:
            return _gone(error, f"{controller}/{attribute}")
        finally:
            os.close(handle)

    def check(self) -> None:
        """Check that controllers can be taken down, which needs a sysfs that can be written.

        Raises:
            HostUnable: it is mounted read-only, as in a container without privileges.
        """
        try:
            read_only = os.statvfs(self._sys).f_flag & os.ST_RDONLY
        except OSError as error:
            raise HostUnable(f"{self._sys} cannot be looked at", detail=str(error)) from error
        if read_only:
            raise HostUnable(
                f"{self._sys} is mounted read-only: the node plugin must run privileged"
            )


def _write_at(handle: int, nqn: str, attribute: str) -> bool:
    with open("subsysnqn", opener=_at(handle), encoding="utf-8", errors="replace") as file:
        if parse_nqn(file.read(_LONGEST)) != nqn:
            return False
    # Without O_CREAT: on a controller that is going, the attribute is not there any more.
    writer = os.open(attribute, os.O_WRONLY | os.O_CLOEXEC, dir_fd=handle)
    try:
        os.write(writer, b"1\n")
    finally:
        os.close(writer)
    return True


def _at(directory: int) -> Callable[[str, int], int]:
    return lambda path, flags: os.open(path, flags, dir_fd=directory)


def _gone(error: OSError, what: str) -> bool:
    if error.errno in _GONE:
        return False
    if error.errno in _MAY_NOT:
        raise HostUnable(
            "this process may not write to sysfs: the node plugin must run privileged",
            detail=f"{what}: {error}",
        ) from error
    raise Unreachable(
        "the kernel did not take a request about a connection", detail=f"{what}: {error}"
    ) from error


def _disks(directory: Path) -> dict[str, Files]:
    return {
        name: _files(directory / name, DISK_FILES) for name in _names(directory) if is_disk(name)
    }


def _files(directory: Path, names: tuple[str, ...]) -> Files:
    texts = ((name, _read(directory / name)) for name in names)
    return {name: text for name, text in texts if text is not None}


def _names(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 (names, and thousands of them)
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise _unreadable(error) from error


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode(errors="replace")
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> Unreachable:
    return Unreachable("the NVMe part of this host's sysfs cannot be read", detail=str(error))
