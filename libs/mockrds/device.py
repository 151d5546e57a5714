"""The simulated device's state: pools, disks and files, and the rules by which they change."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from libs.mockrds.disks import (
    DEFAULTS,
    DISK_TYPES,
    FILE_DISKS,
    FIXED,
    Disk,
    checked,
    is_known,
    release_of,
)
from libs.mockrds.errors import ConsoleError
from libs.mockrds.files import Pool
from libs.mockrds.hardware import Hardware
from libs.mockrds.subvolumes import SubvolumeStore
from libs.mockrds.values import Item, Scalar


@dataclass(kw_only=True)
class Device(SubvolumeStore):
    """A RouterOS device with storage. Every method is one uninterrupted change.

    Attributes:
        version: what `/system resource` reports.
        strict_empty: whether `set` and `remove` of nothing say `no such item`; unknown on hardware.
        read_only_user: whether every change is refused.
        json_decimals: whether JSON has whole numbers as `443.000000`.
        hardware: its drives, what disks are busy with, and what sensors say.
        serial: tells this device from all others; what hosts know disks by comes from it.
    """

    version: str = "7.24.4 (stable)"
    board: str = "RDS2216"
    identity: str = "rds"
    strict_empty: bool = False
    disks: list[Disk] = field(default_factory=list)
    read_only_user: bool = False
    json_decimals: bool = False
    hardware: Hardware = field(default_factory=Hardware)
    serial: str = field(default_factory=lambda: str(uuid4()))

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor of the version."""
        return release_of(self.version)

    def knows(self, name: str) -> bool:
        """Whether a disk item has a property of this name in this release."""
        return is_known(name, self.release)

    def check_writable(self) -> None:
        """Refuse changes by a user that may only read; the wording is from people's reports."""
        if self.read_only_user:
            raise ConsoleError("failure: not enough permissions (9)")

    # Disks

    def add_disk(self, given: Mapping[str, Scalar]) -> str:
        """Add a file disk and its backing file; return its ID."""
        properties = DEFAULTS | checked(given)
        if properties["type"] not in DISK_TYPES or self.release < FILE_DISKS:
            raise ConsoleError("input does not match any value of type")
        for needed in ("slot", "file-path"):
            if not properties[needed]:
                raise ConsoleError(f"failure: {needed} must be specified")
        self._check_unique(properties, None)
        disk = Disk(f"*{self.take_id():X}", properties)
        # A file that is there already is taken as it is: what the device does is not known.
        known = self.files.get(disk.file_name, 0)
        wanted = max(known, int(properties["file-size"]))
        if not wanted:
            raise ConsoleError("failure: file-size must be specified")
        self.resize_file(disk.file_name, wanted)
        properties["file-size"] = wanted
        try:
            with self._exporting():
                self.disks.append(disk)
        except ConsoleError:
            if not known:
                self.drop_file(disk.file_name)
            raise
        return disk.id

    def set_disks(self, ids: Iterable[str], given: Mapping[str, Scalar]) -> None:
        """Change disks."""
        changes = checked(given)
        for name in FIXED:
            if name in changes:
                raise ConsoleError(f"failure: cannot change {name}")  # a guess at the words
        with self._exporting():
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
        with self._exporting():
            for disk in self._addressed(ids):
                self.disks.remove(disk)

    def used_files(self) -> set[str]:
        """Return the names of the files that disk items use."""
        return {disk.file_name for disk in self.disks}

    def list_disks(self) -> list[Item]:
        """Return the properties of all disk items: drives, pools, volumes."""
        pools = [self._pool_item(i, pool) for i, pool in enumerate(self.pools)]
        drives = self.hardware.items()
        return [*drives, *pools, *(disk.item(self.version) for disk in self.disks)]

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

    def _check_unique(self, properties: Mapping[str, Scalar], own: Disk | None) -> None:
        for name in ("slot", "nvme-tcp-server-nqn"):
            value = properties[name]
            others = [disk.properties[name] for disk in self.disks if disk is not own]
            taken = [*others, *(pool.mount_point for pool in self.pools)]
            if value and value in taken:
                raise ConsoleError("failure: already have such entry")

    # Exports

    def export(self) -> None:
        """Offer what is to be offered.

        Raises:
            ConsoleError: the data plane cannot.
        """
        if self.plane.exports:
            self.plane.export(
                [disk.export(self.version, self.serial) for disk in self.disks if disk.is_exported]
            )

    def nvme_ports(self) -> set[int]:
        """Return the TCP ports at which disks are exported."""
        version, serial = self.version, self.serial
        return {disk.export(version, serial).port for disk in self.disks if disk.is_exported}

    def replace(self) -> None:
        """Become another device with the same configuration, and no data."""
        self.lose_data()
        self.serial = str(uuid4())
        self.export()

    def reset(self) -> None:
        """Remove all disks, subvolumes and files."""
        self.disks.clear()
        self.export()
        self.remove_subvolumes([sub.id for sub in reversed(self.subvolumes)])
        for name in list(self.files):
            self.drop_file(name)

    @contextlib.contextmanager
    def _exporting(self) -> Iterator[None]:
        """Tell the plane what the block changed; undo it where the plane cannot follow."""
        if not self.plane.exports:
            yield
            return
        before = [(disk, dict(disk.properties)) for disk in self.disks]
        try:
            yield
        finally:
            try:
                self.export()
            except ConsoleError:
                self.disks[:] = [disk for disk, _ in before]
                for disk, properties in before:
                    disk.properties = properties
                self.export()
                raise

    # Files

    def list_files(self) -> list[Item]:
        """Return the properties of all files that can be seen."""
        return [
            {".id": f"*F{i:X}", "name": name, "type": "file", "size": size}
            for i, (name, size) in enumerate(sorted(self.shown_files().items()))
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
