"""A reconciler on a real socket, and rdsctl beside it: in this process, or as one of its own."""

import asyncio
import contextlib
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libs.csikit.calls import Calls
from libs.csikit.endpoint import TcpAddress
from libs.csikit.server import open_admin_server
from libs.csikit.tls import TlsFiles
from rdsctl.app import run
from rdsctl.streams import Streams
from tests.component.rdsctl.fake import FakeReconciler

LIMIT = 20.0


class Terminal(io.StringIO):
    """Text that somebody types, or looks at."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Ended:
    """What a run left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Rig:
    fake: FakeReconciler
    address: str
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    async def rdsctl(
        self,
        *argv: str,
        typed: str | None = None,
        environ: Mapping[str, str] | None = None,
        terminal: bool = False,
    ) -> Ended:
        """Run it here; `typed` is what somebody at a terminal types."""
        stdin = io.StringIO() if typed is None else Terminal(typed)
        out = Terminal() if terminal else io.StringIO()
        streams = Streams(stdin, out, io.StringIO())
        variables = {"RDSCTL_ENDPOINT": self.address, **self.environ, **(environ or {})}
        async with asyncio.timeout(LIMIT):
            code = await asyncio.to_thread(run, argv, variables, streams)
        assert isinstance(streams.stderr, io.StringIO)
        return Ended(code, out.getvalue(), streams.stderr.getvalue())

    @contextlib.asynccontextmanager
    async def process(self, *argv: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run it as a process of its own, which does not outlive the block."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rdsctl", *argv),
            env={"PATH": os.environ["PATH"], "RDSCTL_ENDPOINT": self.address},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def run_process(self, *argv: str) -> Ended:
        async with self.process(*argv) as process, asyncio.timeout(LIMIT):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def serve(
    folder: Path,
    *,
    fake: FakeReconciler | None = None,
    tls: TlsFiles | None = None,
    allowed: Collection[str] = (),
) -> AsyncIterator[Rig]:
    """Serve a reconciler on a unix socket, or with certificates on TCP."""
    fake = fake or FakeReconciler()
    address = TcpAddress("127.0.0.1", 0) if tls else folder / "reconciler.sock"
    calls = Calls(allowed=allowed)
    async with open_admin_server((fake,), address, calls, tls=tls, drain_seconds=0.1) as ready:
        yield Rig(fake, ready.address, folder)


async def read_event(process: asyncio.subprocess.Process) -> Any:
    """Return the next line of a process that writes JSON lines."""
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT):
        return json.loads(await process.stdout.readline())
