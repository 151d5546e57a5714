"""The simulated device's pools and the files in them."""

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from libs.mockrds.dataplane import DataPlane, NoData
from libs.mockrds.errors import ConsoleError

# Nobody has recorded what a full device says; this wording is from people's reports.
_NO_SPACE = "failure: not enough space"
_TEXTS = {errno.ENOSPC: _NO_SPACE, errno.EROFS: "failure: read-only file system"}


@contextlib.contextmanager
def console_errors() -> Iterator[None]:
    """Say on the console what a data plane cannot do; the words are guesses."""
    try:
        yield
    except OSError as error:
        text = f"failure: {os.strerror(error.errno or 0).lower()}"
        raise ConsoleError(_TEXTS.get(error.errno or 0, text)) from error


@dataclass(slots=True)
class Pool:
    """A mounted filesystem; sizes in bytes.

    Attributes:
        mount_point: where it is mounted, and its label.
        size: the whole.
        filesystem: its kind.
        used: what is taken by other than our files.
        mounted: whether it is there; while it is not, nothing that is in it is shown.
        state: what the array says of itself.
    """

    mount_point: str
    size: int
    filesystem: str = "xfs"
    used: int = 0
    mounted: bool = True
    state: str = "clean"


@dataclass
class FileStore:
    """Pools, and files that take room in them.

    Attributes:
        pools: the mounted filesystems.
        plane: what holds the bytes.
        files: the size in bytes of each file, by name without a leading slash.
        shared: the files that take no room of their own, because a snapshot made them.
        slow_copies: whether copies stay incomplete until `finish_copies`.
        copying: the source of each copy that is incomplete, by the name of the copy.
    """

    pools: list[Pool]
    plane: DataPlane = field(default_factory=NoData)
    files: dict[str, int] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    slow_copies: bool = False
    copying: dict[str, str] = field(default_factory=dict)

    def free(self, pool: Pool) -> int:
        """Return the free bytes of a pool."""
        inside = pool.mount_point + "/"
        taken = sum(
            size
            for name, size in self.files.items()
            if name.startswith(inside) and name not in self.shared
        )
        return max(pool.size - pool.used - taken, 0)

    def shown_files(self) -> dict[str, int]:
        """Return the files that can be seen: those of a pool that is not mounted cannot."""
        hidden = tuple(f"{pool.mount_point}/" for pool in self.pools if not pool.mounted)
        return {name: size for name, size in self.files.items() if not name.startswith(hidden)}

    def copy_file(self, source: str, target: str) -> None:
        """Copy a file to a free name."""
        if source not in self.shown_files():
            raise ConsoleError("no such item")
        if target in self.files:
            raise ConsoleError("failure: already have file with such name")
        if self.slow_copies:
            self.resize_file(target, self.files[source] // 2)
            self.copying[target] = source
            return
        self.resize_file(target, self.files[source])
        with console_errors():
            self.plane.copy(source, target)

    def finish_copies(self) -> None:
        """Let every copy become complete."""
        for target, source in self.copying.items():
            if source in self.files and target in self.files:
                self.resize_file(target, self.files[source])
                self.plane.copy(source, target)
        self.copying.clear()

    def drop_file(self, name: str) -> None:
        """Remove a file that is there."""
        with console_errors():
            self.plane.remove(name)
        self.forget_file(name)

    def forget_file(self, name: str) -> None:
        """Know nothing of a file any more."""
        del self.files[name]
        self.shared.discard(name)

    def resize_file(self, name: str, size: int) -> None:
        """Make a file, or extend it, where its pool has the room."""
        pool = next(
            (p for p in self.pools if p.mounted and name.startswith(p.mount_point + "/")), None
        )
        if pool is None:
            raise ConsoleError("failure: no such directory")
        if size - self.files.get(name, 0) > self.free(pool):
            raise ConsoleError(_NO_SPACE)
        with console_errors():
            self.plane.resize(name, size)
        self.files[name] = size

    def share(self, source: str, target: str) -> None:
        """Give all files below one directory a second name below another."""
        for name in [name for name in self.files if name.startswith(source)]:
            copy = target + name.removeprefix(source)
            self.files[copy] = self.files[name]
            self.shared.add(copy)

    def lose_data(self) -> None:
        """Let every file be a hole, as on disks that were replaced."""
        with console_errors():
            for name in self.files:
                self.plane.blank(name)
