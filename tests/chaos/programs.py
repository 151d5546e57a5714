"""One process of the house: started, killed, started again, and looked at."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import clocks
from tests.chaos.usage import Sample

READY_SECONDS = 60.0
_END_SECONDS = 15.0
_LOOK_AGAIN = 0.05


class HouseBroken(Exception):
    """The house itself does not work: nothing can be said of what is tried in it."""


@dataclass
class Program:
    """One process after the other, of the same sort.

    Attributes:
        name: it is in the report, and names the log.
        module: what is run.
        flags: with which flags.
        logs: where the log goes.
        is_ready: asks whether it serves; None where its first line on standard output says so.
        remembers: whether it keeps all that it was ever asked, as stand-ins do.
        library: what gives it a clock of its own; None where there is none.
        starts: how often it was started.
        lives: for each process, what it used once it was ready, as far as it was looked at.
    """

    name: str
    module: str
    flags: Mapping[str, object]
    logs: Path
    is_ready: Callable[[], Awaitable[bool]] | None = None
    remembers: bool = False
    library: Path | None = None
    starts: int = 0
    lives: list[list[Sample]] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        """Where all of its processes log."""
        return self.logs / f"{self.name}.log"

    @property
    def clock(self) -> Path:
        """What its clock says."""
        return self.logs / f"{self.name}.clock"

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of the process that runs; 0 where none does."""
        return self._process.pid if self._process is not None and self.runs else 0

    async def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            HouseBroken: it does not get ready.
        """
        if not self.starts:
            clocks.set_clock(self.clock, 0)
        flags = [f"--{name}={value}" for name, value in self.flags.items()]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.module, *flags),
                stdout=asyncio.subprocess.PIPE if self.is_ready is None else log,
                stderr=log,
                start_new_session=True,
                env={
                    **os.environ,
                    "HOSTNAME": self.name,
                    **clocks.environment(self.library, self.clock),
                },
            )
        self.starts += 1
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._wait(self._process)
        except (TimeoutError, ValueError) as error:
            raise HouseBroken(f"{self.name} did not get ready; its log is {self.log}") from error
        self.lives.append([])  # a machine that is busy takes long to start it: that is no growth

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        if self.is_ready is None:
            assert process.stdout is not None
            self.said = json.loads(await process.stdout.readline())
            return
        while not await self.is_ready():
            if process.returncode is not None:
                raise ValueError
            await asyncio.sleep(_LOOK_AGAIN)

    async def kill(self) -> None:
        """End it by SIGKILL, whatever it is doing."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        """End it by SIGTERM, and by SIGKILL if that does not help; return its code."""
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_END_SECONDS):
                return await process.wait()
        except TimeoutError:
            await self.kill()
            return -9

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Program"]:
        """Run until the block ends; it may be killed and started again within."""
        await self.start()
        try:
            yield self
        finally:
            await self.kill()

    def look(self, at: float) -> None:
        """Note what it uses now."""
        if len(self.lives) < self.starts:
            return
        with contextlib.suppress(OSError, StopIteration, IndexError):
            status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
            rss = next(line.split()[1] for line in status if line.startswith("VmRSS:"))
            files = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
            self.lives[-1].append(Sample(at, int(rss), files))
