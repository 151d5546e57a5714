"""The simulated device's state: pools, disks and files, and the rules by which they change."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from libs.mockrds.errors import ConsoleError
from libs.mockrds.files import Pool
from libs.mockrds.subvolumes import SubvolumeStore
from libs.mockrds.values import Item, Scalar, parse_size

# Property: (default, kind). A kind of None is fixed: it cannot be set.
_DISK_PROPERTIES: Mapping[str, tuple[Scalar, type | None]] = {
    "slot": ("", str),
    "type": ("", str),
    "mount-filesystem": (True, bool),  # the manual's default, and a trap
    "mount-read-only": (False, bool),
    "compress": (False, bool),
    "sector-size": (512, int),
    "raid-master": ("none", str),
    "nvme-tcp-export": (False, bool),
    "nvme-tcp-server-port": (4420, int),
    "nvme-tcp-server-nqn": ("", str),
    "nvme-tcp-server-allow-host-name": ("", str),
    "nvme-tcp-server-password": ("", str),
    "iscsi-export": (False, bool),
    "nfs-sharing": (False, bool),
    "smb-sharing": (False, bool),
    "media-sharing": (False, bool),
    "swap": (False, bool),
    "file-path": ("", str),
    "file-size": (0, int),
    "file-offset": (0, int),
    "comment": ("", str),
}
_FIXED = ("type", "file-path", "file-offset")
"""What is given when an item is added and, as far as is known, not changed later."""
_MAX_PORT = 65535
_SINCE = {"nvme-tcp-server-nqn": (7, 21), "mount-filesystem": (7, 17)}
_SECRET = frozenset({"nvme-tcp-server-password"})
_DISK_TYPES = frozenset({"file"})
_FILE_DISKS = (7, 17)


@cache
def _release_of(version: str) -> tuple[int, int]:
    major, minor = re.match(r"(\d+)\.(\d+)", version).groups()  # type: ignore[union-attr] # set by us
    return int(major), int(minor)


@cache
def _hidden(version: str) -> frozenset[str]:
    """Return the properties that a listing of a release leaves out."""
    newer = {name for name, since in _SINCE.items() if since > _release_of(version)}
    return _SECRET | newer


@dataclass(slots=True)
class Disk:
    """A disk item."""

    id: str
    properties: dict[str, Scalar]
    shown: tuple[dict[str, Scalar], str, Item] | None = field(default=None, compare=False)

    @property
    def file_name(self) -> str:
        """The backing file as `/file` spells it."""
        return str(self.properties["file-path"]).lstrip("/")


@dataclass(kw_only=True)
class Device(SubvolumeStore):
    """A RouterOS device with storage. Every method is one uninterrupted change.

    Attributes:
        version: what `/system resource` reports.
        strict_empty: whether `set` and `remove` of nothing say `no such item`; unknown on hardware.
        read_only_user: whether every change is refused.
        json_decimals: whether JSON has whole numbers as `443.000000`.
    """

    version: str = "7.24.4 (stable)"
    board: str = "RDS2216"
    identity: str = "rds"
    strict_empty: bool = False
    disks: list[Disk] = field(default_factory=list)
    read_only_user: bool = False
    json_decimals: bool = False

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor of the version."""
        return _release_of(self.version)

    def knows(self, name: str) -> bool:
        """Whether a disk item has a property of this name in this release."""
        return name in _DISK_PROPERTIES and _SINCE.get(name, (0, 0)) <= self.release

    def check_writable(self) -> None:
        """Refuse changes by a user that may only read; the wording is from people's reports."""
        if self.read_only_user:
            raise ConsoleError("failure: not enough permissions (9)")

    # Disks

    def add_disk(self, given: Mapping[str, Scalar]) -> str:
        """Add a file disk and its backing file; return its ID."""
        properties = {name: default for name, (default, _) in _DISK_PROPERTIES.items()}
        properties |= self._checked(given)
        if properties["type"] not in _DISK_TYPES or self.release < _FILE_DISKS:
            raise ConsoleError("input does not match any value of type")
        for needed in ("slot", "file-path"):
            if not properties[needed]:
                raise ConsoleError(f"failure: {needed} must be specified")
        self._check_unique(properties, None)
        disk = Disk(f"*{self.take_id():X}", properties)
        # A file that is there already is taken as it is: what the device does is not known.
        wanted = max(self.files.get(disk.file_name, 0), int(properties["file-size"]))
        if not wanted:
            raise ConsoleError("failure: file-size must be specified")
        self.resize_file(disk.file_name, wanted)
        properties["file-size"] = wanted
        self.disks.append(disk)
        return disk.id

    def set_disks(self, ids: Iterable[str], given: Mapping[str, Scalar]) -> None:
        """Change disks."""
        changes = self._checked(given)
        for name in _FIXED:
            if name in changes:
                raise ConsoleError(f"failure: cannot change {name}")  # a guess at the words
        for disk in self._addressed(ids):
            self._check_unique(disk.properties | changes, disk)
            size = int(changes.get("file-size", 0))
            if size:
                if size < int(disk.properties["file-size"]):
                    # What a device does is not known; the driver must never ask for it.
                    raise ConsoleError("failure: cannot shrink file")
                self.resize_file(disk.file_name, size)
            disk.properties |= changes

    def remove_disks(self, ids: Iterable[str]) -> None:
        """Remove disk items; the backing files stay (manual, Disks)."""
        for disk in self._addressed(ids):
            self.disks.remove(disk)

    def used_files(self) -> set[str]:
        """Return the names of the files that disk items use."""
        return {disk.file_name for disk in self.disks}

    def list_disks(self) -> list[Item]:
        """Return the properties of all disk items, pools first."""
        pools = [self._pool_item(i, pool) for i, pool in enumerate(self.pools)]
        return [*pools, *map(self._disk_item, self.disks)]

    def _disk_item(self, disk: Disk) -> Item:
        known = disk.shown
        if known is None or known[:2] != (disk.properties, self.version):
            known = disk.shown = (dict(disk.properties), self.version, self._shown(disk))
        return known[2]

    def _shown(self, disk: Disk) -> Item:
        hidden = _hidden(self.version)
        shown = {k: v for k, v in disk.properties.items() if k not in hidden}
        # In the order of recorded output; what is fixed for a file disk is filled in.
        first = {name: shown.pop(name) for name in ("type", "slot")}
        fixed: Item = {"slot-default": "", "parent": "", "fs": "-"}
        size = {"model": shown["file-path"], "size": shown["file-size"]}
        return {".id": disk.id, **first, **fixed, **size, **shown, "media-interface": "none"}

    def _pool_item(self, index: int, pool: Pool) -> Item:
        item: dict[str, Scalar] = {
            ".id": f"*{index + 1:X}",
            "type": "raid",
            "slot": pool.mount_point,
            "fs": pool.filesystem,
            "size": pool.size,
            "nvme-tcp-export": False,
        }
        if pool.mounted:
            item |= {
                "fs-label": pool.mount_point,
                "free": self.free(pool),
                "mount-point": pool.mount_point,
                "state": pool.state,
            }
        return item

    def _addressed(self, ids: Iterable[str]) -> list[Disk]:
        ids = list(ids)
        if not ids and self.strict_empty:
            raise ConsoleError("no such item")
        found = [disk for disk in self.disks if disk.id in ids]
        if len(found) != len(set(ids)):
            raise ConsoleError("no such item")
        return found

    def _checked(self, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
        checked: dict[str, Scalar] = {}
        for name, value in given.items():
            kind = _DISK_PROPERTIES[name][1]
            if kind is bool and not isinstance(value, bool):
                raise ConsoleError(f"invalid value for argument {name}")
            if kind is int:
                checked[name] = parse_size(name, value)
            else:
                checked[name] = value if kind is bool else _spelled(value)
        if not 0 < int(checked.get("nvme-tcp-server-port", 1)) <= _MAX_PORT:
            raise ConsoleError("invalid value for argument nvme-tcp-server-port")
        if {".", ".."} & set(str(checked.get("file-path", "")).split("/")):
            raise ConsoleError("invalid value for argument file-path")  # a guess at the words
        return checked

    def _check_unique(self, properties: Mapping[str, Scalar], own: Disk | None) -> None:
        for name in ("slot", "nvme-tcp-server-nqn"):
            value = properties[name]
            others = [disk.properties[name] for disk in self.disks if disk is not own]
            taken = [*others, *(pool.mount_point for pool in self.pools)]
            if value and value in taken:
                raise ConsoleError("failure: already have such entry")

    # Files

    def list_files(self) -> list[Item]:
        """Return the properties of all files."""
        return [
            {".id": f"*F{i:X}", "name": name, "type": "file", "size": size}
            for i, (name, size) in enumerate(sorted(self.files.items()))
        ]

    def remove_files(self, ids: Iterable[str]) -> None:
        """Remove files that no disk item uses; that one in use is refused is a guess."""
        names = {str(item[".id"]): str(item["name"]) for item in self.list_files()}
        ids = list(ids)
        if any(i not in names for i in ids) or (not ids and self.strict_empty):
            raise ConsoleError("no such item")
        for name in [names[i] for i in ids]:
            if name in self.used_files():
                raise ConsoleError("failure: file is in use")
            self.drop_file(name)

    # System

    def resource(self) -> Item:
        """Return what `/system resource` says."""
        return {
            "uptime": "1d2h3m4s",
            "version": self.version,
            "build-time": "2026-09-01 10:00:00",
            "free-memory": "30.1GiB",
            "total-memory": "32.0GiB",
            "cpu": "ARM64",
            "cpu-count": 16,
            "architecture-name": "arm64",
            "board-name": self.board,
            "platform": "MikroTik",
        }


def _spelled(value: Scalar) -> str:
    return str(value) if not isinstance(value, bool) else ("yes" if value else "no")
