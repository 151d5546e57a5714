"""The device's verbs: each a line out, an answer in, and one round trip."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

from libs.core.errors import Unsupported
from libs.core.ids import Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.rdsclient import commands, facts, health, images, replies
from libs.rdsclient.commands import Command
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.health import DiskHealth, DiskTraffic, Smart
from libs.rdsclient.model import (
    BackingFile,
    Branch,
    DiskSpec,
    Features,
    FileDisk,
    Pool,
    SlotState,
    Storage,
)
from libs.rdsclient.observer import NoObserver, Observer
from libs.rdsclient.session import Session
from libs.rdsclient.transport import open_transport


class RdsClient(Session):
    """A RouterOS device. `open_rds` is the way in.

    Every method raises Unreachable when nothing was changed, OutcomeUnknown when a change may have
    happened, and otherwise the error that the device's text stands for (`errors`). Methods that
    change something are safe to repeat, and return what is there afterwards.
    """

    async def read_identity(self) -> str:
        """Read the device's name."""
        command = commands.read_identity(await self.read_features())
        return await self.ask(
            "read_identity", command, partial(facts.parse_identity, command=command)
        )

    # Health

    async def read_disk_health(self) -> tuple[DiskHealth, ...]:
        """Read how all disks are that are no volumes: drives, arrays, partitions."""
        command = health.list_health(await self.read_features())
        return await self.ask(
            "read_disk_health", command, partial(health.parse_health, command=command)
        )

    async def read_traffic(self, slots: Sequence[str]) -> tuple[DiskTraffic, ...]:
        """Read the traffic of some disks at this moment; of those that say it."""
        command = health.read_traffic(slots)
        return await self.ask("read_traffic", command, partial(health.parse_traffic, slots=slots))

    async def read_smart(self, slots: Sequence[str]) -> dict[str, Smart]:
        """Read what some drives say of themselves, by slot.

        Raises:
            Unsupported: the release has no `/disk/smart-info`.
        """
        if not (await self.read_features()).smart:
            raise Unsupported("SMART needs RouterOS 7.23 or newer on the device")
        command = health.read_smart(slots)
        return await self.ask("read_smart", command, partial(health.parse_smart, slots=slots))

    # Disks

    async def list_disks(self, prefixes: tuple[str, ...]) -> tuple[FileDisk, ...]:
        """List the file disks whose slot begins with one of the prefixes."""
        command = commands.list_disks(await self.read_features(), prefixes)
        return await self.ask("list_disks", command, partial(replies.parse_disks, command=command))

    async def read_slot(self, slot: Slot) -> SlotState:
        """Read all about one slot, and the pools."""
        features = await self.read_features()
        return await self._on("read_slot", slot, commands.read_slot(features, slot))

    async def read_pool(self, mount_point: str) -> Pool | None:
        """Read one pool; None when it is not mounted."""
        command = commands.read_pool(await self.read_features(), mount_point)
        return await self.ask("read_pool", command, partial(replies.parse_pool, command=command))

    async def ensure_disk(self, spec: DiskSpec) -> SlotState:
        """Create the disk where the slot is free and there is room."""
        features = await (self._subvolumes() if spec.branch else self.read_features())
        return await self._on("ensure_disk", spec.slot, images.create_disk(features, spec))

    async def ensure_size(self, slot: Slot, size: int, added: int, pool: str) -> SlotState:
        """Grow the disk to at least `size` bytes, where the pool has `added` bytes left."""
        features = await self.read_features()
        command = commands.grow_disk(features, slot, size, added, pool)
        return await self._on("ensure_size", slot, command)

    async def ensure_export(self, slot: Slot, *, exported: bool) -> SlotState:
        """Offer the disk over NVMe/TCP, or stop offering it."""
        features = await self.read_features()
        return await self._on(
            "ensure_export", slot, commands.set_export(features, slot, exported=exported)
        )

    async def ensure_allowed_host(
        self, slot: Slot, host: str, *, only_fenced: bool = False, cut: bool = False
    ) -> SlotState:
        """Let only this host connect, of all disks or only of one that is restricted already.

        An empty text lifts the restriction; `cut` cuts off whoever is connected.
        """
        features = await self.read_features()
        command = commands.set_allowed_host(features, slot, host, only_fenced=only_fenced, cut=cut)
        return await self._on("ensure_allowed_host", slot, command)

    async def ensure_password(self, slot: Slot, password: Secret) -> SlotState:
        """Let only hosts connect that know the secret; an empty one lifts the restriction."""
        features = await self.read_features()
        return await self._on(
            "ensure_password", slot, commands.set_password(features, slot, password)
        )

    async def ensure_absent(
        self, slot: Slot, path: DevicePath, branch: Branch | None = None, *, copied: bool = False
    ) -> SlotState:
        """Remove export, item, file and subvolume if the disk is at `path`.

        Where there are copies of it, complete or not, nothing is removed unless `copied` is set.
        """
        features = await self.read_features()
        command = images.remove_disk(features, slot, path, branch, copied=copied)
        return await self._on("ensure_absent", slot, command)

    async def list_pool_disks(self, mount_point: str) -> tuple[FileDisk, ...]:
        """List every file disk in a pool, whoever it belongs to."""
        command = commands.list_pool_disks(await self.read_features(), mount_point)
        return await self.ask(
            "list_pool_disks", command, partial(replies.parse_disks, command=command)
        )

    async def list_inventory(
        self, prefixes: tuple[str, ...]
    ) -> tuple[tuple[FileDisk, ...], tuple[Pool, ...]]:
        """List the file disks whose slot begins with one of the prefixes, and the pools."""
        command = commands.list_inventory(await self.read_features(), prefixes)
        return await self.ask(
            "list_inventory", command, partial(replies.parse_inventory, command=command)
        )

    async def list_storage(self, directories: tuple[DevicePath, ...]) -> Storage:
        """List every file disk and subvolume, the pools, and the files below the directories."""
        command = images.list_storage(await self.read_features(), directories)
        return await self.ask(
            "list_storage", command, partial(replies.parse_storage, command=command)
        )

    # Files, copies and Btrfs subvolumes

    async def list_files(self, directory: DevicePath) -> tuple[BackingFile, ...]:
        """List every file below a directory."""
        command = commands.list_files(await self.read_features(), directory)
        return await self.ask("list_files", command, partial(replies.parse_files, command=command))

    async def list_snapshots(self) -> SlotState:
        """List the files and the subvolumes that are snapshots, of whatever slot, and the pools."""
        command = images.list_snapshots(await self.read_features())
        return await self.ask(
            "list_snapshots", command, partial(replies.parse_snapshots, command=command)
        )

    async def ensure_copy(
        self, slot: Slot, source: DevicePath, target: DevicePath, room: int
    ) -> SlotState:
        """Begin to copy a backing file for a slot that has none, and return the slot as it is now.

        Raises:
            Unsupported: the release has no `/file/copy`.
        """
        features = await self.read_features()
        if not features.file_copy:
            raise Unsupported("copying a file needs RouterOS 7.23 or newer on the device")
        command = images.copy_image(features, slot, source, target, room)
        return await self._on("ensure_copy", slot, command)

    async def ensure_file_absent(
        self, slot: Slot, path: DevicePath, copies: int | None = None
    ) -> SlotState:
        """Remove a file that no disk refers to, unless there are more than so many copies of it."""
        features = await self.read_features()
        command = images.remove_image(features, slot, path, copies)
        return await self._on("ensure_file_absent", slot, command)

    async def ensure_frozen(self, slot: Slot, branch: Branch) -> SlotState:
        """Make a read-only snapshot of `branch.parent`, where the slot has none."""
        features = await self._subvolumes()
        return await self._on("ensure_frozen", slot, images.freeze_branch(features, slot, branch))

    async def ensure_branch_absent(self, slot: Slot, path: DevicePath, branch: Branch) -> SlotState:
        """Remove a subvolume whose file, at `path`, no disk refers to."""
        features = await self._subvolumes()
        command = images.remove_branch(features, slot, path, branch)
        return await self._on("ensure_branch_absent", slot, command)

    async def _subvolumes(self) -> Features:
        features = await self.read_features()
        if not features.subvolumes:
            raise Unsupported("Btrfs subvolumes need RouterOS 7.18 or newer on the device")
        return features

    async def _on(self, verb: str, slot: Slot, command: Command) -> SlotState:
        parse = partial(replies.parse_slot, command=command, slot=slot)
        return await self.ask(verb, command, parse)


@contextlib.asynccontextmanager
async def open_rds(config: RdsConfig, observer: Observer | None = None) -> AsyncIterator[RdsClient]:
    """Own a client and its connection. A device that is away is not an error here.

    Args:
        config: how to reach the device.
        observer: is told of connections, commands and waits.
    """
    async with open_transport(config, observer or NoObserver()) as transport:
        client = RdsClient(transport)
        informer = asyncio.create_task(client.keep_informed())
        try:
            yield client
        finally:
            informer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await informer
