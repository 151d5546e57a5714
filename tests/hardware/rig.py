"""The kit against a simulated device, and a host that follows what that device says."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from libs.core.ids import Nqn
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.dhchap import secret_of
from libs.mockrds.exports import hosts_of
from libs.mockrds.faults import Action, Fault
from libs.mockrds.files import Pool
from libs.mockrds.testing import PASSWORD, RunningDevice, running_device
from libs.nvmeof.errors import ConnectFailed
from libs.rdsclient.batch import BatchLimits
from libs.rdsclient.config import RdsConfig
from tests.hardware.host import Host
from tests.hardware.kit import Kit
from tests.hardware.model import Question, Report, Result
from tests.hardware.options import Options
from tests.hardware.run import QUESTIONS, run
from tests.hardware.tape import Tape
from tests.waiting import PATIENCE

OWN = "nqn.2014-08.org.nvmexpress:uuid:99999999-4b5a-6978-8796-a5b4c3d2e1f0"
EVER = 1000


@dataclass
class FakeHost:
    """Connects as a Linux host would, to a device that only says what it exports.

    Attributes:
        device: whose word counts.
        delisting_cuts: whether a host that is taken off a list is cut off at once.
        stopping_cuts: whether stopping an export cuts off who is connected.
        enforces: whether lists and secrets are looked at.
        sees: whether a new size is seen by itself, when looked for (rescan), or never.
        copies_data: whether what is made of another disk begins with its data.
        mixes: whether what is written to a copy is seen in its origin, too.
        connections: by NQN, the number of the line after which it was made, and the size.
    """

    device: RunningDevice
    delisting_cuts: bool = False
    stopping_cuts: bool = True
    enforces: bool = True
    sees: str = "itself"
    copies_data: bool = True
    mixes: bool = False
    nqn: str = OWN
    marks: dict[str, bytes] = field(default_factory=dict)
    connections: dict[str, tuple[int, int]] = field(default_factory=dict)

    def _disk(self, nqn: str) -> Any:
        found = (d.properties for d in self.device.state.disks if d.is_exported)
        return next((p for p in found if p["nvme-tcp-server-nqn"] == nqn), None)

    def _admitted(self, nqn: str) -> bool:
        disk = self._disk(nqn)
        if disk is None:
            return False
        hosts = hosts_of(str(disk["nvme-tcp-server-allow-host-name"]))
        return not self.enforces or not hosts or self.nqn in hosts

    async def connect(self, nqn: Nqn, secret: Secret | None = None) -> int:
        disk = self._disk(nqn.text)
        password = str(disk["nvme-tcp-server-password"]) if disk else ""
        known = not password or (secret and secret.reveal() == secret_of(password))
        if not self._admitted(nqn.text) or (self.enforces and not known):
            raise ConnectFailed(f"{nqn} does not admit this host")
        size = int(disk["file-size"])
        self.connections[nqn.text] = (len(self.device.execs), size)
        return size

    async def size(self, nqn: Nqn, *, rescan: bool) -> int:
        begun, size = self.connections[nqn.text]
        if self.sees == "itself" or (self.sees == "rescan" and rescan):
            size = int(self._disk(nqn.text)["file-size"])
            self.connections[nqn.text] = (begun, size)
        return size

    async def is_live(self, nqn: Nqn) -> bool:
        begun, _ = self.connections[nqn.text]
        stop = re.compile(r"nvme-tcp-export=no\b.*nvme-tcp-export=yes")
        lines = [one.line for one in self.device.execs[begun:]]
        stopped = any(stop.search(line) for line in lines) and self.stopping_cuts
        return self._admitted(nqn.text) or not (stopped or self.delisting_cuts)

    async def mark(self, nqn: Nqn, text: bytes) -> None:
        self.marks[str(self._disk(nqn.text)["file-path"])] = text

    async def read_mark(self, nqn: Nqn, length: int) -> bytes:
        own = self.marks.get(str(self._disk(nqn.text)["file-path"]))
        latest = list(self.marks.values())[-1]
        if own is None:
            return latest if self.copies_data else bytes(length)
        return latest if self.mixes else own

    async def disconnect(self, nqn: Nqn) -> None:
        self.connections.pop(nqn.text, None)


@dataclass
class Rig:
    """A device, and the tape of what was said to it."""

    device: RunningDevice
    tape: Tape = field(default_factory=Tape)

    def options(self, **given: Any) -> Options:
        config = RdsConfig(
            self.device.host,
            self.device.port,
            host_key=self.device.host_key,
            password=Secret(PASSWORD),
            max_sessions=2,
            command_timeout=60.0,
            batch=BatchLimits(commands=1),
        )
        chosen: dict[str, Any] = {
            "config": config,
            "base": DevicePath.parse("/raid10/volumes"),
            "btrfs": DevicePath.parse("/tank/volumes"),
            "writes": True,
            "patience": 0.6,
        }
        return Options(**(chosen | given))

    async def run(
        self,
        *only: str,
        host: Host | None = None,
        questions: Iterable[Question[Kit]] = QUESTIONS,
        **given: Any,
    ) -> Report:
        return await run(self.options(only=only, **given), self.tape, host, questions)

    async def ask(self, name: str, host: Host | None = None, **given: Any) -> Result:
        """Ask one question."""
        report = await self.run(name, host=host, **given)
        (result,) = report.results
        return result

    def fail(self, action: Action, pattern: str, text: str = "", amount: float = 0) -> None:
        """Let it go wrong whenever a line fits."""
        self.device.faults.add(Fault(action, pattern, EVER, text, amount))

    async def heard(self, part: str, after: int = 0) -> int:
        """Wait until the device has run a line with this in it; return its number."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for one in self.device.execs:
                    if one.number > after and part in one.line:
                        return one.number
                await asyncio.sleep(0.01)

    @property
    def is_clean(self) -> bool:
        state = self.device.state
        return not (state.disks or state.files or state.subvolumes)


@contextlib.asynccontextmanager
async def rigged(version: str = "7.24.4 (stable)", **given: Any) -> AsyncIterator[Rig]:
    pools = [Pool("raid10", 2**36), Pool("tank", 2**36, "btrfs")]
    async with running_device(Device(pools, version=version, **given)) as device:
        yield Rig(device)
