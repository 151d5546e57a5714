"""One volume with data on it, a plugin that serves it, and everything that can be broken in it."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from grpclib.const import Status

from libs.core.ids import Nqn, VolumeId
from libs.nvmeof.mountinfo import Mount
from libs.nvmeof.superblock import HEAD, Superblock, parse_superblock
from protos.gen.csi import v1 as csi
from services.node.adapters.loop import LoopFabrics
from tests.component.node.hosts import clean_host, in_memory
from tests.component.node.rig import (
    NAME,
    PREFIX,
    SIZES,
    NodeRig,
    mounted,
    open_rig,
)
from tests.fakes.loop_files import can_break
from tests.safety import parts
from tests.safety.parts import LaneCluster, LaneFabrics

NQN = Nqn(f"{PREFIX}:{NAME}")
PODS = ("pod-1", "pod-2")
_PATIENCE = 30.0
_NOTHING = 512
"""Bytes that a disk still has whose connection was lost."""


_PASSING = ("open device", "it passes, and the same call again finds out")
"""What is said where something else has the device open, which mkfs.btrfs and udev do with every
device for a moment, and of processes that begin just now and that this machine does not show."""


class Lane:
    """A volume, and a plugin for it. Made by `open_lane`."""

    def __init__(self, path: Path, fs_type: str, fabrics: LaneFabrics) -> None:
        self.path = path
        self.fs_type = fs_type
        self.fabrics = fabrics
        self.cluster = LaneCluster()
        self.image = path / "images" / f"{NAME}.img"
        self.can_break = can_break(path)
        self.broken = False
        self.sum = ""
        self._text = ""
        self.superblock: Superblock | None = None
        self._cut: tuple[Path, bool] | None = None
        self._golden = path / "golden"
        self._mark = path / "state" / "formatted" / NAME
        self._plugin = contextlib.AsyncExitStack()
        self._pods = contextlib.AsyncExitStack()
        self._rig: NodeRig | None = None

    @property
    def rig(self) -> NodeRig:
        """The plugin that runs now."""
        assert self._rig is not None
        return self._rig

    @property
    def right(self) -> csi.VolumeCapability:
        """The capability with which the volume was made."""
        return mounted(self.fs_type)

    @property
    def is_whole(self) -> bool:
        """Whether all of the volume's file is there, and can be read and written."""
        return not (self.broken or self._cut)

    async def open(self, *, records_lost: bool = False, marks_lost: bool = False) -> None:
        """Start the plugin, in place of the one that runs."""
        await self.close()
        if records_lost:
            parts.empty(self.path / "state" / "volumes")
        if marks_lost:
            parts.empty(self.path / "state" / "formatted")
            self.cluster.formatted.clear()
        rig = open_rig(self.path, self.fabrics, self.cluster, drain_seconds=_PATIENCE)
        self._rig = await self._plugin.enter_async_context(rig)

    async def close(self) -> None:
        """End the plugin."""
        self._rig = None
        await self._plugin.aclose()

    # How a sequence begins and ends

    async def make_data(self) -> None:
        """Have the plugin make a filesystem, and put data on it that must never be lost."""
        rig = self.rig
        rig.image(SIZES[self.fs_type])
        await rig.stage(self.right)
        data = rig.staging() / "data"
        data.mkdir()
        for number in range(12):
            (data / f"{number}").write_bytes(os.urandom(20_000 * number))
        self.sum = parts.sum_of(data)
        await rig.unstage()
        await parts.run("fallocate", "--dig-holes", self.image)
        shutil.copy(self.image, self._golden)
        self.superblock = self.read_superblock()
        self._text = self._mark.read_text()

    async def restore(self) -> None:
        """Have all as it was when the data had been written."""
        self._mark.write_text(self._text)
        self.cluster.formatted[VolumeId.parse(NAME)] = self._text
        beside = self.image.with_suffix(".new")
        await parts.run("cp", "--sparse=always", self._golden, beside)
        beside.replace(self.image)

    def make_empty(self) -> None:
        """Have a volume on which nothing was ever written, and of which nothing is known."""
        self._mark.unlink(missing_ok=True)
        self.cluster.formatted.clear()
        self.image.unlink(missing_ok=True)
        self.rig.image(SIZES[self.fs_type])

    def read_superblock(self) -> Superblock | None:
        with self.image.open("rb") as file:
            return parse_superblock(file.read(HEAD))

    async def heal(self) -> None:
        """Mend what was broken, end the pods, and have nothing of the volume on this node."""
        await self.release()
        await self.mend()
        if self._rig is None:
            await self.open()
        for pod in PODS:
            await self.insist(lambda pod=pod: self.rig.unpublish(pod))  # type: ignore[misc]
        await self.insist(self.rig.unstage)

    async def mend(self) -> None:
        """Mend what was broken."""
        await self.fabrics.mend_reads(NQN)
        await self.fabrics.allow_writes(NQN)
        self.fabrics.forgive(NQN)
        self.broken = False
        await self.put_back()
        self.cluster.away = False
        self.cluster.resets += 1

    async def read_sum(self) -> str:
        """Stage the volume, and return the checksum of what is on it."""
        await self.insist(lambda: self.rig.stage(self.right))
        try:
            return await asyncio.to_thread(parts.sum_of, self.rig.staging() / "data")
        finally:
            await self.insist(self.rig.unstage)

    async def let_go(self) -> None:
        """Wait until nothing of the volume is on this node: a lost disk ends some time after."""
        async with asyncio.timeout(_PATIENCE):
            while self.mounts() or self.rig.loops():  # noqa: ASYNC110 (the kernel sets no event)
                await asyncio.sleep(0.02)

    async def insist(self, call: Callable[[], Awaitable[object]]) -> None:
        """Make a call that has to succeed: again while it is in hand, or something looks in."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                status, text = await parts.status_of(call())
                if status is Status.OK:
                    return
                passes = status is Status.ABORTED or any(words in text for words in _PASSING)
                assert passes, f"all was mended, and then {status.name}: {text}"
                await asyncio.sleep(0.02)

    # What can be broken

    def mounts(self) -> list[Mount]:
        """Return the volume's mounts."""
        return self.rig.mounts()

    def is_mounted(self, point: Path) -> bool:
        return any(mount.point == str(point) for mount in self.mounts())

    def live_devices(self) -> set[tuple[int, int]]:
        """Return the devices of the volume that are mounted, and have content."""
        numbers = {parts.number_of(mount) for mount in self.mounts()}
        return {number for number in numbers if number and parts.bytes_of(number) > _NOTHING}

    async def cut(self, size: int, *, connected: bool) -> None:
        """Take the end of the file; a device that is connected before keeps its size.

        Nothing is mounted then, so nothing of what is left may be written to.
        """
        if self._cut or self.mounts() or (self.rig.loops() and not connected):
            return
        if connected and not self.rig.loops():
            await self.fabrics.connect(NQN)
        kept = self.path / "kept"
        await parts.run("cp", "--sparse=always", self.image, kept)
        os.truncate(self.image, size)
        self._cut = (kept, connected)

    async def put_back(self) -> None:
        """Undo `cut`, and find that what could not be read was not written to."""
        if self._cut is not None:
            kept, same = self._cut
            self._cut = None
            await asyncio.to_thread(parts.append_tail, kept, self.image, same=same)

    async def hold(self, pod: str) -> None:
        """Have a process of a pod keep a file open."""
        target = self.rig.target(pod)
        if not self.is_mounted(target):
            return
        with contextlib.suppress(OSError), (target / "held").open("a") as file:
            held = await asyncio.create_subprocess_exec("sleep", "600", stdin=file)
            self._pods.push_async_callback(parts.end, held)

    async def release(self) -> None:
        """End the processes of pods."""
        await self._pods.aclose()

    async def write(self, pod: str) -> None:
        """Have a pod write; what becomes of that is not asked."""
        target = self.rig.target(pod)
        if self.is_mounted(target):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(parts.append_text, target / "scratch")

    async def stop(self) -> None:
        """Have the filesystem give up, as after an error that it cannot bear."""
        staging = self.rig.staging()
        if self.is_mounted(staging):
            if self.fs_type == "ext4":
                await parts.run("mount", "-o", "remount,abort", staging, check=False)
            elif self.fs_type == "xfs":
                await parts.run("xfs_io", "-x", "-c", "shutdown", staging, check=False)


@contextlib.asynccontextmanager
async def open_lane(path: Path, fs_type: str) -> AsyncIterator[Lane]:
    """Own a lane; at its end the host is as it was."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(in_memory(path))
        (path / "images").mkdir()
        inner = LoopFabrics(path / "images", (PREFIX,))
        fabrics = await stack.enter_async_context(LaneFabrics(inner))
        stack.enter_context(clean_host(path))
        lane = Lane(path, fs_type, fabrics)
        try:
            await lane.open()
            yield lane
        finally:
            await lane.release()
            await lane.close()
