"""The simulated device's state: pools, disks and files, and the rules by which they change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from libs.mockrds.dataplane import DataPlane, NoData
from libs.mockrds.errors import ConsoleError
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
_SECRET = frozenset({"nvme-tcp-server-password"})
_DISK_TYPES = frozenset({"file"})


@dataclass(slots=True)
class Pool:
    """A mounted filesystem; sizes in bytes. `used` is what is taken by other than our files."""

    mount_point: str
    size: int
    filesystem: str = "xfs"
    used: int = 0
    mounted: bool = True


@dataclass(slots=True)
class Disk:
    """A disk item."""

    id: str
    properties: dict[str, Scalar]

    @property
    def file_name(self) -> str:
        """The backing file as `/file` spells it."""
        return str(self.properties["file-path"]).lstrip("/")


@dataclass
class Device:
    """A RouterOS device with storage. Every method is one uninterrupted change.

    Attributes:
        version: what `/system resource` reports.
        strict_empty: whether `set` and `remove` of nothing say `no such item`; unknown on hardware.
        files: the size in bytes of each file, by name without a leading slash.
    """

    pools: list[Pool]
    version: str = "7.24.4 (stable)"
    board: str = "RDS2216"
    identity: str = "rds"
    strict_empty: bool = False
    plane: DataPlane = field(default_factory=NoData)
    disks: list[Disk] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    _next_id: int = 0x20

    # Disks

    def add_disk(self, given: Mapping[str, Scalar]) -> str:
        """Add a file disk and its backing file; return its ID."""
        properties = {name: default for name, (default, _) in _DISK_PROPERTIES.items()}
        properties |= self._checked(given)
        if properties["type"] not in _DISK_TYPES:
            raise ConsoleError("input does not match any value of type")
        for needed in ("slot", "file-path"):
            if not properties[needed]:
                raise ConsoleError(f"failure: {needed} must be specified")
        self._check_unique(properties, None)
        disk = Disk(f"*{self._next_id:X}", properties)
        # A file that is there already is taken as it is: what the device does is not known.
        wanted = max(self.files.get(disk.file_name, 0), int(properties["file-size"]))
        if not wanted:
            raise ConsoleError("failure: file-size must be specified")
        self._resize_file(disk.file_name, wanted)
        properties["file-size"] = wanted
        self._next_id += 1
        self.disks.append(disk)
        return disk.id

    def set_disks(self, ids: Iterable[str], given: Mapping[str, Scalar]) -> None:
        """Change disks."""
        changes = self._checked(given)
        for disk in self._addressed(ids):
            self._check_unique(disk.properties | changes, disk)
            size = int(changes.get("file-size", 0))
            if size:
                if size < int(disk.properties["file-size"]):
                    # What a device does is not known; the driver must never ask for it.
                    raise ConsoleError("failure: cannot shrink file")
                self._resize_file(disk.file_name, size)
            disk.properties |= changes

    def remove_disks(self, ids: Iterable[str]) -> None:
        """Remove disk items; the backing files stay (manual, Disks)."""
        for disk in self._addressed(ids):
            self.disks.remove(disk)

    def list_disks(self) -> list[Item]:
        """Return the properties of all disk items, pools first."""
        return [
            *(self._pool_item(i, p) for i, p in enumerate(self.pools)),
            *map(_disk_item, self.disks),
        ]

    def _pool_item(self, index: int, pool: Pool) -> Item:
        item: dict[str, Scalar] = {
            ".id": f"*{index + 1:X}",
            "slot": pool.mount_point,
            "type": "raid",
            "fs": pool.filesystem,
            "size": pool.size,
            "nvme-tcp-export": False,
        }
        if pool.mounted:
            item |= {"free": self.free(pool), "mount-point": pool.mount_point, "state": "clean"}
        return item

    def free(self, pool: Pool) -> int:
        """Return the free bytes of a pool."""
        inside = pool.mount_point + "/"
        taken = sum(size for name, size in self.files.items() if name.startswith(inside))
        return max(pool.size - pool.used - taken, 0)

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
            {".id": f"*F{i:X}", "name": name, "type": "file", "size": self.files[name]}
            for i, name in enumerate(sorted(self.files))
        ]

    def remove_files(self, ids: Iterable[str]) -> None:
        """Remove files that no disk item uses; that one in use is refused is a guess."""
        names = {str(item[".id"]): str(item["name"]) for item in self.list_files()}
        ids = list(ids)
        if any(i not in names for i in ids) or (not ids and self.strict_empty):
            raise ConsoleError("no such item")
        for name in [names[i] for i in ids]:
            if any(disk.file_name == name for disk in self.disks):
                raise ConsoleError("failure: file is in use")
            del self.files[name]
            self.plane.remove(name)

    def _resize_file(self, name: str, size: int) -> None:
        pool = next(
            (p for p in self.pools if p.mounted and name.startswith(p.mount_point + "/")), None
        )
        if pool is None:
            raise ConsoleError("failure: no such directory")
        if size - self.files.get(name, 0) > self.free(pool):
            # Nobody has recorded what a full device says; this wording is from people's reports.
            raise ConsoleError("failure: not enough space")
        self.plane.resize(name, size)
        self.files[name] = size

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


def known_property(name: str) -> bool:
    """Whether a disk item has a property of this name."""
    return name in _DISK_PROPERTIES


def _spelled(value: Scalar) -> str:
    return str(value) if not isinstance(value, bool) else ("yes" if value else "no")


def _disk_item(disk: Disk) -> Item:
    shown = {name: value for name, value in disk.properties.items() if name not in _SECRET}
    return {".id": disk.id, **shown, "size": disk.properties["file-size"]}
