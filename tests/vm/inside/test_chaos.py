"""Trouble of many kinds, drawn from a seed, while volumes live over the kernel's NVMe/TCP.

`./dev chaos` has the whole of it, with the services as processes and loop devices for data; here
are fewer volumes, and what only a kernel can do wrong.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.component.node.rig import write_safely
from tests.vm.inside.assembled import Assembly
from tests.vm.inside.plugin import nqn_of
from tests.vm.inside.rig import insist
from tests.vm.nvmet import nvme

SEED = 20261121
LIVES = 3
ROUNDS = 3
QUIET = 1.5
"""Seconds between two troubles: the schedule's own pace."""

LIMIT = 240.0
LEAST = 5
"""Troubles without which nothing was tried."""

Trouble = Callable[[Assembly, random.Random], Awaitable[None]]


def name_of(number: int) -> str:
    return f"pvc-00000000-0000-0000-0000-{number:012}"


async def go_away(assembly: Assembly, chance: random.Random) -> None:
    """Take the device away, in one of its ways, for a few seconds."""
    way = chance.choice(["/restart", "/crash", "/partition"])
    await assembly.rds.ask(way, seconds=600)
    await asyncio.sleep(chance.uniform(0.5, 4.0))  # the outage itself
    await assembly.rds.ask("/back")


async def cut_a_connection(_: Assembly, chance: random.Random) -> None:
    """Have the kernel forget a connection, as after an outage that was too long for it."""
    name = name_of(chance.randrange(LIVES))
    with contextlib.suppress(AssertionError):  # there may be none now
        await asyncio.to_thread(nvme, "disconnect", f"--nqn={nqn_of(name)}")


async def look_round(assembly: Assembly, _: random.Random) -> None:
    """Have the plugin look after its volumes in the middle of everything."""
    await assembly.node.health.check_all()


TROUBLES: tuple[Trouble, ...] = (go_away, go_away, cut_a_connection, look_round)


async def trouble(assembly: Assembly, chance: random.Random, done: asyncio.Event) -> int:
    """Make trouble until all is done; return how often."""
    count = 0
    while not done.is_set():
        await chance.choice(TROUBLES)(assembly, chance)
        count += 1
        await asyncio.sleep(QUIET)
    return count


class Life:
    """A volume's life: what was acknowledged as written has to be there whenever it is read."""

    def __init__(self, assembly: Assembly, name: str) -> None:
        self._assembly = assembly
        self._name = name
        self._kept: dict[str, str] = {}
        self.lost: list[str] = []

    async def live(self) -> None:
        assembly, name = self._assembly, self._name
        await insist(partial(assembly.create, name))
        for number in range(ROUNDS):
            await insist(partial(assembly.bring, name))
            await self._look()
            await self._write(f"file-{number}", f"{name} in round {number}")
            await insist(partial(assembly.take, name))
        await insist(partial(assembly.bring, name))
        await self._look()
        await insist(partial(assembly.take, name))
        await insist(partial(assembly.delete, name))

    @property
    def _path(self) -> Path:
        return self._assembly.node.target(name=self._name)

    async def _write(self, file: str, text: str) -> None:
        # A connection that was cut off fails what is under way, and nothing is promised then.
        with contextlib.suppress(OSError):
            await asyncio.to_thread(write_safely, self._path / file, text)
            self._kept[file] = text

    async def _look(self) -> None:
        """Compare what is there with what was acknowledged; a mount that broke is made anew."""
        found: dict[str, str] | None = None
        while found is None:
            try:
                found = await asyncio.to_thread(self._read)
            except OSError:
                await insist(partial(self._assembly.take, self._name))
                await insist(partial(self._assembly.bring, self._name))
        self.lost += [file for file, text in self._kept.items() if found.get(file) != text]

    def _read(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self._path.glob("file-*")}


async def test_what_was_written_is_there_whatever_befalls_the_device_and_nothing_is_left(
    assembly: Assembly, note_steps: Callable[[str], None]
) -> None:
    assembly.classes["keepAliveTmo"] = "5"
    chance, done = random.Random(SEED), asyncio.Event()  # noqa: S311 (not for secrets)
    lives = [Life(assembly, name_of(number)) for number in range(LIVES)]

    making = asyncio.create_task(trouble(assembly, chance, done))
    try:
        async with asyncio.timeout(LIMIT):
            await asyncio.gather(*(life.live() for life in lives))
    finally:
        done.set()
        count = await making
    note_steps(f"{count} troubles")

    assert [life.lost for life in lives] == [[]] * LIVES
    assert count >= LEAST
    assert await assembly.left() == []
