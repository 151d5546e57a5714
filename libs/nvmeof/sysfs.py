"""What the kernel shows of NVMe subsystems in /sys/class/nvme-subsystem, as values. Pure.

A subsystem's directory has links to its controllers (`nvme0`) and, with the kernel's own multipath,
its disks (`nvme0n1`); the paths below them (`nvme0c0n1`) are hidden and cannot be opened. Without
multipath the disks lie in the controller's directory. The attributes are those of
drivers/nvme/host/core.c and multipath.c of Linux.

Total, and careful: of two readings the one that names no device is taken. A disk whose attributes
make no sense, as while it is being removed, hides all others of its subsystem until it is gone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from libs.nvmeof.model import BlockDevice, Connection, LinkState

Files = Mapping[str, str]
"""Text of attribute files by their names; one that could not be read is left out."""

CONTROLLER_FILES = ("state", "address", "hostnqn")
DISK_FILES = ("dev", "size", "nsid", "hidden")

_SECTOR = 512
"""`size` of a block device counts these, whatever its own block size (block/genhd.c of Linux)."""

_CONTROLLER = re.compile(r"nvme\d{1,9}", re.ASCII)
_DISK = re.compile(r"nvme\d{1,9}n(\d{1,10})", re.ASCII)
_DEV = re.compile(r"(\d{1,4}):(\d{1,7})", re.ASCII)
_SIZE = re.compile(r"\d{1,19}", re.ASCII)
_NSID = re.compile(r"\d{1,10}", re.ASCII)
_MAX_MAJOR, _MAX_MINOR = 2**12, 2**20

_STATES = {
    "live": LinkState.LIVE,
    "new": LinkState.CONNECTING,
    "connecting": LinkState.CONNECTING,
    "resetting": LinkState.CONNECTING,
    "deleting": LinkState.DEAD,
    "deleting (no IO)": LinkState.DEAD,
    "dead": LinkState.DEAD,
}
_BEST_FIRST = (LinkState.LIVE, LinkState.CONNECTING, LinkState.DEAD)


@dataclass(frozen=True, slots=True)
class Controller:
    """One connection of the kernel to a subsystem.

    Attributes:
        name: such as `nvme0`; the number may be another's tomorrow.
        state: how it does. A word that this version does not know counts as connecting: it is
            waited for, and nothing is done about it.
        word: the kernel's word for that.
        address: what `traddr` is; empty if the kernel does not say.
        port: what `trsvcid` is.
        host_nqn: the NQN that was given when it was made; empty if the kernel does not say.
    """

    name: str
    state: LinkState
    word: str
    address: str = ""
    port: str = ""
    host_nqn: str = ""


@dataclass(frozen=True, slots=True)
class Subsystem:
    """What the kernel has of one subsystem.

    Attributes:
        nqn: its NQN.
        controllers: by name.
        disks: names of what block devices there are, whether they make sense or not.
        device: that of the lowest namespace ID; None while that is not beyond doubt.
    """

    nqn: str
    controllers: tuple[Controller, ...] = ()
    disks: tuple[str, ...] = ()
    device: BlockDevice | None = None

    @property
    def state(self) -> LinkState:
        """How the connection does: as the best of its controllers."""
        states = {controller.state for controller in self.controllers}
        return next((state for state in _BEST_FIRST if state in states), LinkState.DEAD)

    @property
    def is_gone(self) -> bool:
        """Whether nothing is left but the name, which the kernel keeps while a mount is stale."""
        return not self.controllers and not self.disks

    def connection(self) -> Connection | None:
        """Return what the rest of the program is told; None if there is no connection."""
        if self.is_gone:
            return None
        names = tuple(controller.name for controller in self.controllers)
        is_certain = self.device is not None or not self.disks
        return Connection(self.nqn, self.state, self.device, names, is_certain)


def is_controller(name: str) -> bool:
    """Whether a directory entry of a subsystem is a controller."""
    return _CONTROLLER.fullmatch(name) is not None


def is_disk(name: str) -> bool:
    """Whether a directory entry of a subsystem or controller is a disk that can be opened."""
    return _DISK.fullmatch(name) is not None


def parse_nqn(text: str) -> str:
    """Return the NQN that a `subsysnqn` file holds; empty for none.

    Before the first answer of a target Linux 6.1 puts `(efault)` there, which nobody is called.
    """
    nqn = text.strip()
    return nqn if nqn.startswith("nqn.") else ""


def parse_subsystem(
    nqn: str, controllers: Mapping[str, Files], disks: Mapping[str, Files], dev: str = "/dev"
) -> Subsystem:
    """Read what was found below one subsystem's directory.

    Args:
        nqn: its NQN.
        controllers: the files of each controller. One without `state` has been taken down: the
            kernel removes a controller's files after it has closed its connection.
        disks: the files of each disk.
        dev: where device nodes are.
    """
    seen = {
        name: files
        for name, files in disks.items()
        if is_disk(name) and files.get("hidden", "0").strip() == "0"
    }
    return Subsystem(
        nqn,
        tuple(
            parse_controller(name, files)
            for name, files in sorted(controllers.items())
            if is_controller(name) and "state" in files
        ),
        tuple(sorted(seen)),
        _device(seen, dev),
    )


def parse_controller(name: str, files: Files) -> Controller:
    """Read the files of a controller."""
    word = files.get("state", "").strip()
    address = parse_address(files.get("address", ""))
    return Controller(
        name,
        _STATES.get(word, LinkState.CONNECTING),
        word,
        address.get("traddr", ""),
        address.get("trsvcid", ""),
        files.get("hostnqn", "").strip(),
    )


def parse_address(text: str) -> dict[str, str]:
    """Read an `address` file, such as `traddr=10.0.0.1,trsvcid=4420,src_addr=10.0.0.2`."""
    pairs = (part.partition("=") for part in text.strip().split(","))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def _device(disks: Mapping[str, Files], dev: str) -> BlockDevice | None:
    parsed = [_parse_disk(name, files, dev) for name, files in disks.items()]
    sound = [disk for disk in parsed if disk is not None]
    if not sound or len(sound) != len(parsed) or _has_twins(device.number for _, device in sound):
        return None
    first = min(nsid for nsid, _ in sound)
    devices = [device for nsid, device in sound if nsid == first]
    # Two of one namespace ID are an old and a new one; the old one will be gone in a moment.
    return devices[0] if len(devices) == 1 else None


def _has_twins(numbers: Iterable[tuple[int, int]]) -> bool:
    return any(count > 1 for count in Counter(numbers).values())


def _parse_disk(name: str, files: Files, dev: str) -> tuple[int, BlockDevice] | None:
    """Return namespace ID and device; None if that is in doubt, as of one that has no size."""
    number = _DEV.fullmatch(files.get("dev", "").strip())
    size = files.get("size", "").strip()
    nsid = files.get("nsid", "").strip()
    if number is None or not _SIZE.fullmatch(size) or not _NSID.fullmatch(nsid):
        return None
    major, minor = int(number[1]), int(number[2])
    if major >= _MAX_MAJOR or minor >= _MAX_MINOR or not int(size) or not int(nsid):
        return None
    return int(nsid), BlockDevice(f"{dev}/{name}", (major, minor), int(size) * _SECTOR)
