"""What a lane is made of: connections, a cluster, files."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Awaitable
from pathlib import Path

from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from libs.core.errors import Unreachable
from libs.core.ids import Nqn, Slot, VolumeId
from libs.nvmeof.mountinfo import Mount
from services.node.ports import Marks, Reason
from tests.fakes.faulty_fabrics import FaultyFabrics

_PIECE = 1 << 20


class LaneFabrics(FaultyFabrics):
    """Connections whose faults can all be called off."""

    def forgive(self, nqn: Nqn) -> None:
        """Have no call fail any more, and tell the truth about the connection."""
        self._connect_errors.clear()
        self._find_errors.clear()
        self.set_state(nqn, None)
        self.show_device(nqn)

    async def connect(self, nqn: Nqn) -> None:
        """Have a disk that nobody asked for."""
        await self._attach(nqn)

    async def has_disk(self, nqn: Nqn) -> bool:
        """Whether there is a disk that is not left over from a lost connection."""
        return bool(await self._live(nqn))


class LaneCluster:
    """A cluster that keeps marks, can be away, and whose administrator resets breakers."""

    def __init__(self) -> None:
        self.formatted: dict[VolumeId, str] = {}
        self.resets = 0
        self.away = False

    async def announce(self, host_nqn: Nqn) -> None:
        raise NotImplementedError(host_nqn)

    async def clear_startup_taint(self) -> bool:
        return True

    async def attachment(self, volume: VolumeId) -> str | None:
        self._check()
        return f"of {volume}"

    async def identify(self, slot: Slot) -> VolumeId:
        self._check()
        return VolumeId(slot)

    async def read_marks(self, volume: VolumeId) -> Marks | None:
        self._check()
        return Marks(self.formatted.get(volume, ""), str(self.resets))

    async def mark_formatted(self, volume: VolumeId, text: str) -> None:
        self._check()
        self.formatted[volume] = text

    def tell(self, volume: VolumeId, reason: Reason, text: str) -> None:
        pass

    def _check(self) -> None:
        if self.away:
            raise Unreachable("the cluster is away")


async def status_of(call: Awaitable[object]) -> tuple[Status, str]:
    """Make a call, and return how it ended."""
    try:
        await call
    except (StreamTerminatedError, ConnectionError, TimeoutError) as error:
        return Status.CANCELLED, repr(error)
    except GRPCError as error:
        return error.status, error.message or ""
    return Status.OK, ""


async def run(*argv: str | Path, check: bool = True) -> None:
    """Run a tool; one that ends badly is an error unless that is left open."""
    tool = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, err = await tool.communicate()
    assert not check or tool.returncode == 0, err


async def end(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


def empty(directory: Path) -> None:
    """Remove the files of a directory."""
    for path in directory.iterdir():
        path.unlink()


def sum_of(directory: Path) -> str:
    """Return a checksum of the names and contents of a directory's files."""
    found = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def append_tail(whole: Path, image: Path, *, same: bool) -> None:
    """Give a file that was cut its end again.

    Args:
        whole: a copy from before it was cut.
        image: the file.
        same: whether what is left of it has to be as it was.
    """
    with whole.open("rb") as old, image.open("r+b") as new:
        start = os.fstat(new.fileno()).st_size
        if same:
            for offset in range(0, start, _PIECE):
                size = min(_PIECE, start - offset)
                assert os.pread(old.fileno(), size, offset) == os.pread(new.fileno(), size, offset)
        size = os.fstat(old.fileno()).st_size
        os.truncate(new.fileno(), max(size, start))
        for offset in range(start, size, _PIECE):
            piece = os.pread(old.fileno(), _PIECE, offset)
            if any(piece):
                os.pwrite(new.fileno(), piece, offset)
    whole.unlink()


def append_text(path: Path) -> None:
    with path.open("a") as file:
        file.write("what a pod wrote\n" * 100)
        file.flush()
        os.fsync(file.fileno())


def number_of(mount: Mount) -> tuple[int, int] | None:
    """Return the number of the device that is mounted; that of Btrfs has to be looked up."""
    if mount.device[0]:
        return mount.device
    with contextlib.suppress(OSError):
        number = Path(mount.source).stat().st_rdev
        return os.major(number), os.minor(number)
    return None


def bytes_of(number: tuple[int, int]) -> int:
    """Return how many bytes a device has now; none where it has gone."""
    try:
        sectors = Path(f"/sys/dev/block/{number[0]}:{number[1]}/size").read_text()
    except OSError:
        return 0
    return 512 * int(sectors)
