"""The disk items of the simulated device: their properties, and what follows from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID, uuid5

from libs.core.secret import Secret
from libs.mockrds.errors import ConsoleError
from libs.mockrds.exports import Export, hosts_of
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
FIXED = ("type", "file-path", "file-offset")
"""What is given when an item is added and, as far as is known, not changed later."""
DEFAULTS = {name: default for name, (default, _) in _DISK_PROPERTIES.items()}
"""What a property is where nothing was said of it."""
_MAX_PORT = 65535
_NQN = "nvme-tcp-server-nqn"
_SINCE = {_NQN: (7, 21), "mount-filesystem": (7, 17)}
_SECRET = frozenset({"nvme-tcp-server-password"})
DISK_TYPES = frozenset({"file"})
FILE_DISKS = (7, 17)
"""The release from which there are such disks."""


@cache
def release_of(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version."""
    major, minor = re.match(r"(\d+)\.(\d+)", version).groups()  # type: ignore[union-attr] # set by us
    return int(major), int(minor)


@cache
def _hidden(version: str) -> frozenset[str]:
    """Return the properties that a listing of a release leaves out."""
    newer = {name for name, since in _SINCE.items() if since > release_of(version)}
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

    @property
    def is_exported(self) -> bool:
        """Whether hosts may connect to it."""
        return bool(self.properties["nvme-tcp-export"])

    def item(self, version: str) -> Item:
        """Return what a release shows of it."""
        known = self.shown
        if known is None or known[:2] != (self.properties, version):
            known = self.shown = (dict(self.properties), version, self._item(version))
        return known[2]

    def export(self, version: str, serial: str) -> Export:
        """Return what hosts are offered.

        Args:
            version: of the device's software.
            serial: of the device, a UUID.
        """
        properties, slot = self.properties, str(self.properties["slot"])
        # Before 7.21 the NQN is the slot; since then, what hardware showed where none was given.
        is_old = release_of(version) < _SINCE[_NQN]
        return Export(
            nqn=str(properties[_NQN]) or (slot if is_old else f"nqn.2000-02.com.mikrotik:{slot}"),
            file=self.file_name,
            size=int(properties["file-size"]),
            # An item's number is never given again, a name may be.
            uuid=str(uuid5(UUID(serial), self.id)),
            port=int(properties["nvme-tcp-server-port"]),
            hosts=hosts_of(str(properties["nvme-tcp-server-allow-host-name"])),
            password=Secret(str(properties["nvme-tcp-server-password"])),
        )

    def _item(self, version: str) -> Item:
        hidden = _hidden(version)
        shown = {k: v for k, v in self.properties.items() if k not in hidden}
        # In the order of recorded output; what is fixed for a file disk is filled in.
        first = {name: shown.pop(name) for name in ("type", "slot")}
        fixed: Item = {"slot-default": "", "parent": "", "fs": "-"}
        size = {"model": shown["file-path"], "size": shown["file-size"]}
        return {".id": self.id, **first, **fixed, **size, **shown, "media-interface": "none"}


def is_known(name: str, release: tuple[int, int]) -> bool:
    """Whether a disk item has a property of this name in a release."""
    return name in _DISK_PROPERTIES and _SINCE.get(name, (0, 0)) <= release


def checked(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return properties with their values as the device keeps them.

    Raises:
        ConsoleError: a value does not fit.
    """
    values: dict[str, Scalar] = {}
    for name, value in given.items():
        kind = _DISK_PROPERTIES[name][1]
        if kind is bool and not isinstance(value, bool):
            raise ConsoleError(f"invalid value for argument {name}")
        if kind is int:
            values[name] = parse_size(name, value)
        else:
            values[name] = value if kind is bool else _spelled(value)
    if not 0 < int(values.get("nvme-tcp-server-port", 1)) <= _MAX_PORT:
        raise ConsoleError("invalid value for argument nvme-tcp-server-port")
    if {".", ".."} & set(str(values.get("file-path", "")).split("/")):
        raise ConsoleError("invalid value for argument file-path")  # a guess at the words
    return values


def _spelled(value: Scalar) -> str:
    return str(value) if not isinstance(value, bool) else ("yes" if value else "no")
