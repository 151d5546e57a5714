"""The kernel's table of mounts, `/proc/self/mountinfo`, as values. Pure.

The format is that of proc_pid_mountinfo(5): ten or more fields, of which those before the hyphen
can be more in a later kernel.
"""

import re
from dataclasses import dataclass
from typing import Self

from libs.nvmeof.errors import MountStorm, MountTableUnreadable

STORM = 100
"""Mounts of one device above which something multiplies them: a node has died of that."""

PLACEHOLDER = "rds-csi-nothing"
"""Source of a mount that only keeps a place while the volume is away from it."""

_STOPPED = frozenset({"ro", "emergency_ro", "shutdown"})
_OCTAL = re.compile(r"\\([0-7]{3})")
_DEVICE = re.compile(r"(\d{1,10}):(\d{1,10})", re.ASCII)
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_FIELDS_BEFORE, _FIELDS_AFTER = 6, 3


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount.

    Attributes:
        id: the kernel's number of it.
        parent: that of the mount that it is on.
        device: major and minor number; of a filesystem without a device the kernel makes one up.
        root: what of the filesystem is mounted; `/` unless it is a bind mount of a part.
        point: where.
        options: of this mount, such as `ro`.
        fs_type: the kind of filesystem.
        source: the device, as it was named when it was mounted; it may have another name now.
        super_options: of the filesystem, such as `ro` after an I/O error.
        propagation: such as `shared:2`; none for a private mount.
    """

    id: int
    parent: int
    device: tuple[int, int]
    root: str
    point: str
    options: frozenset[str]
    fs_type: str
    source: str
    super_options: frozenset[str]
    propagation: tuple[str, ...] = ()

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written here."""
        return "ro" in self.options

    @property
    def is_placeholder(self) -> bool:
        """Whether it only keeps a place."""
        return self.source == PLACEHOLDER and self.fs_type == "tmpfs"

    @property
    def has_turned_read_only(self) -> bool:
        """Whether the filesystem has: it was mounted for writing, and stopped after an error.

        ext4 says it in several ways, by kernel release: `ro`, or `emergency_ro` (fs/ext4/super.c).
        """
        return "rw" in self.options and bool(_STOPPED & self.super_options)

    def is_on(self, path: str, number: tuple[int, int]) -> bool:
        """Whether it is a mount of a device.

        A filesystem with a device number of its own making, as Btrfs, is known by the path that it
        was mounted by, which has to be the kernel's own name of the device.
        """
        return self.device == number or (self.device[0] == 0 and self.source == path)

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read one line.

        Raises:
            MountTableUnreadable: it is not one of that table.
        """
        fields = line.split(" ")
        try:
            hyphen = fields.index("-", _FIELDS_BEFORE)
        except ValueError:
            raise _unreadable(line) from None
        first, last = fields[:hyphen], fields[hyphen + 1 :]
        device = _DEVICE.fullmatch(first[2])
        is_whole = len(last) >= _FIELDS_AFTER and first[4].startswith("/")
        are_numbers = _NUMBER.fullmatch(first[0]) and _NUMBER.fullmatch(first[1])
        if not is_whole or device is None or not are_numbers:
            raise _unreadable(line)
        return cls(
            id=int(first[0]),
            parent=int(first[1]),
            device=(int(device[1]), int(device[2])),
            root=_unescaped(first[3]),
            point=_unescaped(first[4]),
            options=frozenset(first[5].split(",")),
            fs_type=_unescaped(last[0]),
            source=_unescaped(last[1]),
            super_options=frozenset(last[2].split(",")),
            propagation=tuple(first[_FIELDS_BEFORE:]),
        )


@dataclass(frozen=True, slots=True)
class MountTable:
    """All mounts, in the order in which the kernel lists them: a later one hides an earlier."""

    mounts: tuple[Mount, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the whole table.

        Raises:
            MountTableUnreadable: a line cannot be read. A table with a gap must not pass for a
                whole one: what is mounted would look unused.
        """
        return cls(tuple(Mount.parse(line) for line in text.split("\n") if line))

    def at(self, point: str) -> Mount | None:
        """Return what is mounted at a point: the one on top."""
        return next((mount for mount in reversed(self.mounts) if mount.point == point), None)

    def of_device(self, path: str, number: tuple[int, int]) -> tuple[Mount, ...]:
        """Return the mounts of a device, by its path and its number."""
        return tuple(mount for mount in self.mounts if mount.is_on(path, number))

    def below(self, directory: str) -> tuple[Mount, ...]:
        """Return the mounts at a directory and below it, the innermost first."""
        inside = directory.rstrip("/") + "/"
        found = [m for m in self.mounts if m.point == directory or m.point.startswith(inside)]
        return tuple(sorted(found, key=lambda mount: (len(mount.point), mount.id), reverse=True))

    def check_storm(self, path: str, number: tuple[int, int]) -> None:
        """Check that a device is not mounted absurdly often.

        Raises:
            MountStorm: it is.
        """
        count = len(self.of_device(path, number))
        if count > STORM:
            raise MountStorm(
                f"{path} is mounted {count} times, more than {STORM}: something multiplies mounts, "
                "and this driver will not add to it"
            )


def _unescaped(field: str) -> str:
    if "\\" not in field:  # nearly all of them, in a table that is read at each step
        return field
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)


def _unreadable(line: str) -> MountTableUnreadable:
    return MountTableUnreadable("the kernel's table of mounts cannot be read", detail=repr(line))
