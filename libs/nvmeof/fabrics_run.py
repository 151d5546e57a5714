"""One call to connect: it looks at what the kernel has, does the next thing, and looks again."""

import asyncio
import random
from dataclasses import dataclass, field

import structlog

from libs.core.errors import RdsCsiError
from libs.nvmeof.errors import ConnectFailed, HostHangs, HostUnable, NoDevice
from libs.nvmeof.fabrics_connect import ConnectHopeless, Connector
from libs.nvmeof.fabrics_control import Control, pauses
from libs.nvmeof.fabrics_lookup import Lookup
from libs.nvmeof.fabrics_tree import NvmeTree
from libs.nvmeof.hostid import HostIdentity
from libs.nvmeof.model import BlockDevice, LinkState, Target
from libs.nvmeof.sysfs import Subsystem

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long; seconds where nothing else is said.

    Attributes:
        at_once: connects that are under way.
        attempts: tries of one call to connect.
        backoff: before the second try; twice as long before each further one.
        attempt: one try.
        connect: a whole call, with its waiting for the device.
        settle: without a device, until the kernel is asked to look for one.
        device: without a device, until the connection is made anew, or given up.
        disconnect: until a subsystem must be gone.
    """

    at_once: int = 4
    attempts: int = 3
    backoff: float = 0.5
    attempt: float = 20.0
    connect: float = 60.0
    settle: float = 1.0
    device: float = 10.0
    disconnect: float = 30.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a call to connect works with.

    Attributes:
        host: as whom connections are made.
        limits: how much at once, and how long.
        tree: sysfs.
        lookup: finds subsystems.
        connector: makes connections.
        control: asks things of them.
    """

    host: HostIdentity
    limits: Limits
    tree: NvmeTree
    lookup: Lookup
    connector: Connector
    control: Control


@dataclass(slots=True)
class ConnectRun:
    """One call.

    Attributes:
        parts: what it works with.
        target: to what.
        reason: what to say if time runs out now.
        attempts: tries so far.
        made: controllers that this call has made.
        since: when the connection was first seen live and without a device.
        rescanned: whether the kernel was asked to look for one.
        renewed: whether the connection was made anew because there was none.
        saw_disk: whether there was ever a disk, which somebody might use.
    """

    parts: Parts
    target: Target
    reason: RdsCsiError
    attempts: int = 0
    made: set[str] = field(default_factory=set)
    since: float | None = None
    rescanned: bool = False
    renewed: bool = False
    saw_disk: bool = False

    async def establish(self) -> BlockDevice:
        """Return the device when it is there. `reason` says why it is not, if that takes too long.

        Raises:
            ConnectFailed: the kernel could not connect.
            NoDevice: it is connected, and no device appears.
            HostHangs: the kernel does not answer.
            HostUnable: this host cannot connect, or not with authentication.
        """
        pause = pauses()
        while True:
            seen = await self.parts.lookup.find(self.target.nqn.text)
            if seen is None or not seen.controllers:
                await self._attempt()
            elif seen.state is LinkState.LIVE:
                if (device := await self._use(seen)) is not None:
                    return device
            else:
                await self._wait_out(seen)
            await asyncio.sleep(next(pause))

    async def _attempt(self) -> None:
        """Try to connect once more, and wait a little if that fails."""
        limits = self.parts.limits
        self.since = None
        if self.attempts >= limits.attempts:
            raise self.reason
        self.attempts += 1
        self.reason = HostHangs(f"the connect to {self.target.nqn} has not had its turn in time")
        try:
            name = await self.parts.connector.connect(
                self.target, self.attempts - 1, limits.attempt
            )
        except ConnectHopeless:
            raise
        except ConnectFailed as error:
            self.reason = error
            if self.attempts >= limits.attempts:
                raise
            log.info("connect failed", nqn=self.target.nqn.text, why=error.message)
        else:
            self.reason = ConnectFailed(f"{self.target.nqn} was connected, and is gone again")
            if name is not None:
                self.made.add(name)
                return
        finally:
            self.parts.lookup.forget()
        # Spread out: all volumes of a node lose their target at the same moment, and find it so.
        pause = limits.backoff * 2 ** (self.attempts - 1)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (to spread load)

    async def _wait_out(self, seen: Subsystem) -> None:
        """Wait for a connection that is lost or going; one that is dead is asked to go."""
        self.since = None
        where = ", ".join(f"{c.name} {c.word} at {c.address}:{c.port}" for c in seen.controllers)
        if seen.state is LinkState.CONNECTING:
            self.reason = ConnectFailed(
                f"the connection to {self.target.nqn} is lost, and the kernel has not got it back "
                "yet: check that the device is up and can be reached, and still admits this host",
                detail=where,
            )
            return
        self.reason = ConnectFailed(
            f"the last connection to {self.target.nqn} has not been taken down yet", detail=where
        )
        dead = [controller for controller in seen.controllers if controller.word == "dead"]
        await self.parts.control.take_down(seen.nqn, dead, self.parts.limits.disconnect)

    async def _use(self, seen: Subsystem) -> BlockDevice | None:
        """Return the device of a connection that works; see to one that has none."""
        if self.target.secret is not None:
            await self._check_authentication(seen)
        tree, device = self.parts.tree, seen.device
        if device is not None and await self.parts.lookup.run(
            seen.nqn, lambda: tree.has_node(device.path, device.number)
        ):
            self._warn_of_others(seen)
            return device
        self.saw_disk = self.saw_disk or bool(seen.disks)
        self.reason = self._no_device(seen)
        now = asyncio.get_running_loop().time()
        self.since = now if self.since is None else self.since
        if now - self.since >= self.parts.limits.device:
            await self._renew(seen)
        elif now - self.since >= self.parts.limits.settle and not self.rescanned:
            self.rescanned = True
            await self.parts.control.rescan(seen)
        return None

    async def _renew(self, seen: Subsystem) -> None:
        """Make the connection anew, once, and only if nothing can be using it."""
        if self.saw_disk or self.renewed:
            raise self.reason
        log.warning("connected without a device: connecting anew", nqn=seen.nqn)
        self.renewed, self.rescanned, self.since, self.attempts = True, False, None, 0
        await self.parts.control.take_down(seen.nqn, seen.controllers, self.parts.limits.disconnect)

    def _no_device(self, seen: Subsystem) -> NoDevice:
        nqn, device = self.target.nqn, seen.device
        if device is not None:
            return NoDevice(
                f"{nqn} is connected, and {device.path} is not the block device that the kernel "
                "means: the node plugin must see this host's /dev"
            )
        if seen.disks:
            return NoDevice(f"{nqn} is connected, and what disk it has is not beyond doubt yet")
        return NoDevice(
            f"{nqn} is connected and has no disk: check on the device that its disk is there and "
            "in order"
        )

    async def _check_authentication(self, seen: Subsystem) -> None:
        """Check that the kernel has taken note of the secret: built without, it ignores it.

        The attribute is there with CONFIG_NVME_HOST_AUTH alone (drivers/nvme/host/sysfs.c).

        Raises:
            HostUnable: it has not. What this call had connected is disconnected.
        """
        tree, names = self.parts.tree, [controller.name for controller in seen.controllers]
        if not await self.parts.lookup.run(
            seen.nqn, lambda: any(tree.lacks_attribute(name, "dhchap_secret") for name in names)
        ):
            return
        ours = [c for c in seen.controllers if c.name in self.made]
        await self.parts.control.take_down(seen.nqn, ours, self.parts.limits.disconnect)
        raise HostUnable(
            "this host's kernel is built without DH-CHAP (CONFIG_NVME_HOST_AUTH) and would "
            f"connect to {self.target.nqn} without authentication"
        )

    def _warn_of_others(self, seen: Subsystem) -> None:
        others = {c.host_nqn for c in seen.controllers} - {"", self.parts.host.nqn.text}
        if others:
            log.warning("connected as another host", nqn=seen.nqn, hosts=sorted(others))
