"""What probes work with: the device, a place to make things in, and the certainty that they go."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from libs.core.errors import NotFound, RdsCsiError, Unsupported
from libs.core.ids import Nqn, Slot
from libs.core.images import INNER_NAME, Image, Layout
from libs.core.paths import DevicePath
from libs.rdsclient import commands
from libs.rdsclient.client import RdsClient
from libs.rdsclient.commands import Command
from libs.rdsclient.images import removal_by_hand
from libs.rdsclient.listing import Item
from libs.rdsclient.model import Branch, DiskSpec, Features, FileDisk, Pool, SlotState
from libs.rdsclient.replies import listings
from tests.hardware.host import Host
from tests.hardware.options import Options
from tests.hardware.tape import Tape, TapedTransport

PREFIX = "hwkit-"
"""Of all that is made. A driver that runs on the same device does not take it for its own."""

NQN_PREFIX = "nqn.2000-02.com.mikrotik.hwkit"


def new_prefix() -> str:
    return f"{PREFIX}{secrets.token_hex(4)}-"


@dataclass
class Kit:
    """One run.

    Attributes:
        rds: the driver's own client.
        transport: for lines of one's own.
        tape: keeps what is said.
        options: what was asked for.
        host: this host's half; None where it takes no part.
        prefix: what the names of all that is made begin with.
    """

    rds: RdsClient
    transport: TapedTransport
    tape: Tape
    options: Options
    host: Host | None = None
    prefix: str = field(default_factory=new_prefix)

    # Talking

    async def say(self, line: str, *, changing: bool = False) -> str:
        """Send a line as it is, and return what was printed."""
        reply = await self.transport.run(Command(line, changes=changing))
        return reply.text.strip()

    async def items(self, menu: str, where: str) -> tuple[Item, ...]:
        command = commands.ask(await self.rds.read_features(), menu, where)
        (found,) = listings((await self.transport.run(command)).text, command)
        return tuple(found)

    async def item(self, slot: Slot) -> Item:
        """Return what the device lists of one of our disks, as it spells it."""
        found = await self.items("/disk", commands.slot_is(slot))
        if len(found) != 1:
            raise NotFound(f"the device lists {len(found)} disks of a name that should be one's")
        return found[0]

    async def features(self) -> Features:
        return await self.rds.read_features()

    # Making

    @property
    def base(self) -> DevicePath:
        if self.options.base is None:
            raise NotFound("no directory was named in which things may be made (--base-path)")
        return self.options.base

    def slot(self, name: str) -> Slot:
        return Slot.parse(f"{self.prefix}{name}")

    def spec(self, name: str, **changes: Any) -> DiskSpec:
        slot = self.slot(name)
        given: dict[str, Any] = {
            "slot": slot,
            "path": self.base.image_of(slot),
            "size": self.options.size,
            "nqn": Nqn.parse(f"{NQN_PREFIX}:{slot}"),
            "port": self.options.nvme_port,
            "exported": False,
        }
        return DiskSpec(**(given | changes))

    @contextlib.asynccontextmanager
    async def disk(self, name: str, **changes: Any) -> AsyncIterator[FileDisk]:
        """Have a disk until the block ends.

        Raises:
            NotFound: the device says that it made it, and does not list it.
        """
        spec = self.spec(name, **changes)
        try:
            state = await self.rds.ensure_disk(spec)
            if state.disk is None:
                raise NotFound(_why_none(state, spec))
            yield state.disk
        finally:
            await self.remove(spec)

    async def remove(self, spec: DiskSpec) -> None:
        """Remove a disk, its file and its subvolume; what fails is left for the sweep."""
        with contextlib.suppress(RdsCsiError):
            await self.rds.ensure_absent(spec.slot, spec.path, spec.branch, copied=True)

    async def btrfs_pool(self) -> tuple[DevicePath, Pool]:
        """Return the directory on Btrfs in which things may be made, and its pool.

        Raises:
            Unsupported: there is none.
        """
        base = self.options.btrfs or self.base
        pool = await self.rds.read_pool(base.pool)
        if pool is None or pool.filesystem != "btrfs" or not pool.label:
            raise Unsupported("no directory on a Btrfs pool with a label was named (--btrfs-path)")
        return base, pool

    async def in_subvolume(self, name: str, parent: str = "", **changes: Any) -> DiskSpec:
        """Return a disk in a subvolume of its own, or in a clone of another one."""
        base, pool = await self.btrfs_pool()
        image = Image(base, self.slot(name), layout=Layout.SUBVOLUME)
        branch = Branch(pool.label, image.subvolume, parent)
        return self.spec(name, path=image.path, branch=branch, adopts=bool(parent), **changes)

    # Removing

    async def sweep(self) -> tuple[str, ...]:
        """Remove all that has our prefix, and return what is still there with how to remove it."""
        bases = {base for base in (self.options.base, self.options.btrfs) if base is not None}
        for disk in await self._disks():
            with contextlib.suppress(RdsCsiError):
                path = DevicePath.parse(disk.path)
                await self.rds.ensure_absent(Slot.parse(disk.slot), path, copied=True)
        for path in await self._files(bases):
            with contextlib.suppress(RdsCsiError):
                await self.rds.ensure_file_absent(self.slot("file"), path)
        for item in reversed(await self._subvolumes()):
            with contextlib.suppress(RdsCsiError):
                await self.say(_remove_subvolume(item), changing=True)
        return (
            *(_remove_disk(disk.slot) for disk in await self._disks()),
            *(removal_by_hand(path) for path in await self._files(bases)),
            *(_remove_subvolume(item) for item in await self._subvolumes()),
        )

    async def _disks(self) -> tuple[FileDisk, ...]:
        return await self.rds.list_disks((self.prefix,))

    async def _files(self, bases: set[DevicePath]) -> list[DevicePath]:
        found: list[DevicePath] = []
        for base in sorted(bases):
            pattern = commands.literal_pattern(f"{base.file_name}/{self.prefix}")
            listed = await self.items("/file", f"name~{commands.quote(f'^{pattern}')}")
            own = [str(one["name"]) for one in listed if _is_own_file(one)]
            found += [DevicePath.parse(f"/{name.lstrip('/')}") for name in own]
        return found

    async def _subvolumes(self) -> tuple[Item, ...]:
        if not (await self.features()).subvolumes:
            return ()
        pattern = commands.literal_pattern(self.prefix)
        return await self.items(commands.SUBVOLUME, f"fullname~{commands.quote(pattern)}")


def _why_none(state: SlotState, spec: DiskSpec) -> str:
    if state.pool(spec.path.pool) is None:
        return "no pool is mounted where things are to be made, so nothing was"
    return "the device answered without an error and has no such disk"


def _is_own_file(item: Item) -> bool:
    """Whether it is to be removed by itself: what lies in a subvolume goes with it."""
    return item.get("type") != "directory" and not str(item["name"]).endswith(f"/{INNER_NAME}")


def _remove_disk(slot: str) -> str:
    return f"/disk/remove [find slot={commands.quote(slot)}]"


def _remove_subvolume(item: Item) -> str:
    where = f"fullname={commands.quote(str(item.get('fullname', '')))}"
    return f"{commands.SUBVOLUME}/remove [find where {where}]"
