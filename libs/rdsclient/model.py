"""What the device is asked for and what it says of itself, as values."""

import re
from dataclasses import dataclass
from typing import Self

from libs.core.errors import Unsupported
from libs.core.ids import Nqn, Slot, shown
from libs.core.paths import DevicePath
from libs.core.secret import Secret

_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})(?!\d)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """A RouterOS release; releases of one major.minor have the same commands."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the `version` of `/system resource`, such as `7.16 (stable)` or `7.24rc2`.

        Raises:
            Unsupported: it does not begin with two numbers.
        """
        match = _VERSION.match(text)
        if match is None:
            raise Unsupported(
                f"the device reports a RouterOS version that makes no sense: {shown(text)}"
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """What `/system resource print` says."""

    release: Release
    version: str
    board: str = ""

    @property
    def features(self) -> "Features":
        """What the release can do."""
        return Features.of(self.release)


@dataclass(frozen=True, slots=True)
class Features:
    """What a release can do (console schema of each release), as far as it matters here.

    Attributes:
        json: listings can be had as JSON that keeps strings as they are (7.16).
        file_disks: `type=file` and `mount-filesystem` (7.17).
        subvolumes: Btrfs subvolumes (7.18).
        nqn: an export's NQN can be chosen (7.21); before that it is the bare slot.
        file_copy: `/file/copy` (7.23).
        smart: `/disk/smart-info` (7.23).
    """

    json: bool
    file_disks: bool
    subvolumes: bool
    nqn: bool
    file_copy: bool
    smart: bool

    @classmethod
    def of(cls, release: Release) -> Self:
        """Return what a release can do."""
        return cls(
            json=release >= Release(7, 16),
            file_disks=release >= Release(7, 17),
            subvolumes=release >= Release(7, 18),
            nqn=release >= Release(7, 21),
            file_copy=release >= Release(7, 23),
            smart=release >= Release(7, 23),
        )


@dataclass(frozen=True, slots=True)
class Export:
    """How a disk is offered over NVMe/TCP.

    Attributes:
        nqn: the subsystem's NQN, as the device spells it; the slot where it cannot be chosen.
        port: the TCP port.
        allowed_host: the host NQN that may connect; empty when the device does not restrict it.
    """

    nqn: str
    port: int
    allowed_host: str = ""


@dataclass(frozen=True, slots=True)
class FileDisk:
    """A disk item backed by a file.

    Attributes:
        slot: the name of the item.
        path: the backing file, with a leading slash whether or not the device shows one.
        size: bytes.
        export: None while the disk is not exported.
        is_restricted: whether only hosts that were named may connect, once it is exported.
    """

    slot: str
    path: str
    size: int
    export: Export | None = None
    is_restricted: bool = False


@dataclass(frozen=True, slots=True)
class BackingFile:
    """A file on the device.

    Attributes:
        path: with a leading slash, which `/file` leaves out.
        size: bytes; None where the device rounds it, as the text form does.
    """

    path: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Subvolume:
    """A Btrfs subvolume.

    Attributes:
        label: the filesystem's label.
        name: the path within the filesystem.
        parent: what it is a snapshot of; empty for one that is no snapshot.
        frozen: whether it cannot be written.
    """

    label: str
    name: str
    parent: str = ""
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """A mounted filesystem on the device; sizes in bytes.

    Attributes:
        mount_point: the first component of the paths in it.
        state: what the device says of the array, such as `clean`; empty where it says nothing.
        label: the filesystem's label, by which its subvolumes are addressed.
    """

    mount_point: str
    size: int
    free: int
    filesystem: str = ""
    state: str = ""
    label: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether the device says nothing bad of the array: not degraded, and not resyncing."""
        return self.state in {"", "clean", "active"}


@dataclass(frozen=True, slots=True)
class Branch:
    """A subvolume to be made.

    Attributes:
        label: the filesystem.
        name: its path within the filesystem.
        parent: the subvolume whose content it begins with; empty for an empty one.
    """

    label: str
    name: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """A file disk as it should be; sizes in bytes.

    Attributes:
        slot: the name of the item, and of the export where it cannot be chosen.
        path: the backing file.
        size: the size.
        nqn: the NQN of the export.
        port: the TCP port of the export.
        room: what the pool must have free; None for the size.
        adopts: whether the backing file is there already, as a copy.
        branch: the subvolume that the file is to lie in, made along with it.
        exported: whether it is offered at once.
        allowed_host: the only host NQN that may connect; empty for all.
        password: what hosts must know; None where they need not know anything.
    """

    slot: Slot
    path: DevicePath
    size: int
    nqn: Nqn
    port: int
    room: int | None = None
    adopts: bool = False
    branch: Branch | None = None
    exported: bool = True
    allowed_host: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class SlotState:
    """All that the device says about one slot at one moment; a snapshot's is one without a disk.

    Attributes:
        slot: the slot.
        disk: the item, if there is one.
        files: files named as the slot's backing file may be, wherever they lie.
        copies: files that are copies of it, complete or not.
        copied: how many those were before any were left out.
        users: disks in other slots whose backing file is one of those in `files`.
        subvolumes: those named as the slot's may be.
        branches: subvolumes that are copies of it.
        pools: the mounted pools.
    """

    slot: Slot
    disk: FileDisk | None = None
    files: tuple[BackingFile, ...] = ()
    copies: tuple[BackingFile, ...] = ()
    users: tuple[FileDisk, ...] = ()
    subvolumes: tuple[Subvolume, ...] = ()
    branches: tuple[Subvolume, ...] = ()
    pools: tuple[Pool, ...] = ()
    copied: int = 0

    def pool(self, mount_point: str) -> Pool | None:
        """Return one of the pools; None when it is not mounted."""
        return next((pool for pool in self.pools if pool.mount_point == mount_point), None)


@dataclass(frozen=True, slots=True)
class Storage:
    """All that the device has below some directories, at one moment.

    Attributes:
        disks: every file disk, whoever it belongs to and wherever its file lies.
        files: the files below the directories.
        pools: the mounted pools.
        subvolumes: every subvolume of every pool.
    """

    disks: tuple[FileDisk, ...] = ()
    files: tuple[BackingFile, ...] = ()
    pools: tuple[Pool, ...] = ()
    subvolumes: tuple[Subvolume, ...] = ()
