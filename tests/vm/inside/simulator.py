"""The simulated device as a process in the machine, and what is seen of its disks."""

import asyncio
import contextlib
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncssh

from libs.core.ids import Nqn
from libs.core.size import GIB
from libs.nvmeof.fabrics import NvmeFabrics
from libs.nvmeof.model import BlockDevice, LinkState
from tests.vm.inside.rig import PREFIX
from tests.vm.nvmet import ADDRESS, CONFIG, MIB, load_modules

PORT = 4440
_PORT = f"{PORT:04X}"
HOME = Path("/dev/shm/mock-rds")  # noqa: S108 (of a machine of our own)
DISKS = HOME / "disks"
OTHER = Nqn("nqn.2014-08.com.example:another")
POOL = 8 * GIB
"""Bytes; it takes memory only for what is written."""
FLAGS = (
    *("--listen=127.0.0.1:0", "--control=127.0.0.1:0", "--password=secret"),
    *(f"--data={HOME}/state", f"--host-key={HOME}/key", f"--disk-files={DISKS}"),
    *("--pool=raid10=1T:xfs", "--pool=btr=1T:btrfs"),
)


@dataclass
class Device:
    """The process, as often as it is started, and who talks to it."""

    flags: tuple[str, ...] = FLAGS
    process: "subprocess.Popen[bytes] | None" = None
    ready: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        argv = [sys.executable, "-m", "libs.mockrds", *self.flags]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE)  # noqa: S603 (ours)
        assert self.process.stdout is not None
        self.ready = json.loads(self.process.stdout.readline())

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    async def run(self, line: str) -> str:
        host, port = self.ready["ssh"].rsplit(":", 1)
        key = asyncssh.import_public_key(self.ready["host_key"])
        async with asyncssh.connect(
            host,
            int(port),
            username="rds-csi",
            password="secret",
            client_keys=None,
            config=None,
            known_hosts=([key], [], []),
        ) as connection:
            answer = await connection.run(line)
        assert isinstance(answer.stdout, str)
        return answer.stdout.strip()

    async def ask(self, path: str, **body: object) -> Any:
        """Ask the control API, or tell it something."""
        async with aiohttp.ClientSession(self.ready["control"]) as api:
            method = "GET" if path in {"/exports", "/state"} else "POST"
            async with api.request(method, path, json=body) as answer:
                text = await answer.text()
                assert answer.ok, text
        return json.loads(text) if text else None

    async def uuid_of(self, slot: str) -> str:
        (uuid,) = [e["uuid"] for e in await self.ask("/exports") if e["nqn"] == nqn(slot).text]
        return str(uuid)

    async def refuses(self) -> bool:
        """Whether the target's port is refused, as opposed to open or silent."""
        try:
            async with asyncio.timeout(0.5):
                _, writer = await asyncio.open_connection(ADDRESS, PORT)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
        writer.close()
        return False

    async def is_away(self) -> bool:
        """Whether nothing answers over SSH."""
        try:
            async with asyncio.timeout(2):
                await self.run(":put here")
        except (OSError, asyncssh.Error):
            return True
        return False


def nqn(slot: str) -> Nqn:
    return Nqn(f"{PREFIX}:{slot}")


def add(slot: str, more: str = "", file: str = "") -> str:
    return (
        f"/disk/add type=file slot={slot} file-path=/{file or f'raid10/{slot}.img'} file-size=16M "
        f"mount-filesystem=no nvme-tcp-export=yes nvme-tcp-server-port={PORT} "
        f"nvme-tcp-server-nqn={nqn(slot)} {more}"
    )


def change(slot: str, what: str) -> str:
    return f"/disk/set [find slot={slot}] {what}"


def named(top: str) -> list[str]:
    return [path.name for path in (CONFIG / "nvmet" / top).iterdir()]


def connections() -> set[str]:
    """Return our ends of what is connected to the target; a new connection has another."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {ours for _, ours, theirs, state, *_ in lines if (theirs[-4:], state) == (_PORT, "01")}


async def is_live(fabrics: NvmeFabrics, slot: str, *, live: bool = True) -> bool:
    found = await fabrics.find(nqn(slot))
    return (found is not None and found.state is LinkState.LIVE) is live


def identity_of(device: BlockDevice) -> str:
    return Path(f"/sys/block/{Path(device.path).name}/uuid").read_text().strip()


def start_of(name: str) -> bytes:
    return (DISKS / name).read_bytes()[:5]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def numbers(path: Path) -> list[int]:
    """Return the numbers of the blocks that a writer left in an image."""
    data = path.read_bytes()[:MIB]
    blocks = (data[at : at + 4096] for at in range(0, len(data), 4096))
    return [int.from_bytes(b[:8], "big") for b in blocks if b == b[:8] * 512 and any(b)]


@contextlib.contextmanager
def running_device(*flags: str) -> Iterator[Device]:
    """Own a simulated device with its data on Btrfs; at its end the kernel's target is empty."""
    load_modules()
    HOME.mkdir()
    DISKS.mkdir()
    with (HOME / "pool").open("wb") as file:
        file.truncate(POOL)
    _run("mkfs.btrfs", "-q", HOME / "pool")
    _run("mount", "-o", "loop", HOME / "pool", DISKS)
    device = Device(flags=(*FLAGS, *flags))
    device.start()
    try:
        yield device
    finally:
        code = device.end()
        left = [path for top in ("subsystems", "ports", "hosts") for path in named(top)]
        _run("umount", DISKS)
        shutil.rmtree(HOME)
    assert (code, left) == (0, [])


def _run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, timeout=120)  # noqa: S603 (our own words)
