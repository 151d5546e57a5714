"""Killed at any instruction and started again, the plugin ends where it would have come anyway."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from tests.component.node.children import Children, hold_mkfs, name_of
from tests.component.node.killing import (
    SUM,
    Death,
    Ending,
    Step,
    Victim,
    after,
    at_tool,
    kill,
    leftovers,
    live,
    open_victim,
    seeded,
    sum_of,
    wait_until_ended,
    write,
)
from tests.component.node.rig import (
    MIB,
    NAME,
    SIZES,
    Calls,
    may_grow_ext4,
    mounted,
    needs_mounts,
    raw,
    settings_for,
)

pytestmark = needs_mounts

KINDS = ("ext4", "xfs", "btrfs", "block")


@pytest.fixture
async def victim(host: Path) -> AsyncIterator[Victim]:
    async with open_victim(settings_for(host), host) as victim:
        yield victim


@pytest.fixture
def held() -> Iterator[list[int]]:
    """Processes that a test stopped, which must not stay."""
    held: list[int] = []
    yield held
    for pid in held:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def name_for(number: int) -> str:
    return f"{NAME[:-4]}{number:04}"


def life_of(kind: str, name: str) -> Sequence[Step]:
    """Return a volume's life: staged, used, grown, taken back, and used once more."""
    capability = raw() if kind == "block" else mounted(kind)

    async def publish(calls: Calls) -> None:
        target = await calls.publish(capability, name=name)
        write(target if kind == "block" else target / "data")

    async def grow(calls: Calls) -> None:
        size = 2 * SIZES.get(kind, 64 * MIB)
        calls.image(size, name)
        await calls.expand(size, name)

    async def use_again(calls: Calls) -> None:
        target = await calls.publish(capability, name=name)
        assert sum_of(target if kind == "block" else target / "data") == SUM

    async def stage(calls: Calls) -> None:
        await calls.stage(capability, name)

    async def unpublish(calls: Calls) -> None:
        await calls.unpublish(name=name)

    async def unstage(calls: Calls) -> None:
        await calls.unstage(name)

    growing = (grow,) if kind != "ext4" or may_grow_ext4() else ()
    first = (stage, publish, *growing, unpublish, unstage)
    return (*first, stage, use_again, unpublish, unstage)


async def live_and_leave_nothing(
    victim: Victim, kind: str, name: str, death: Death | None, first: int = 0
) -> None:
    await live(victim, life_of(kind, name), death, first)

    assert leftovers(victim.path) == []
    (victim.path / "images" / f"{name}.img").unlink()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "block"])
async def test_killed_at_each_of_its_tools_it_loses_nothing_and_leaves_nothing(
    victim: Victim, kind: str
) -> None:
    endings = tuple(Ending)
    number = 0

    while victim.deaths == number:
        ending = endings[number % len(endings)]
        await live_and_leave_nothing(victim, kind, name_for(number), at_tool(number, ending))
        number += 1

    assert victim.deaths >= 8


@pytest.mark.parametrize("ending", Ending)
async def test_killed_while_it_makes_a_filesystem_it_makes_it_again(
    victim: Victim, ending: Ending
) -> None:
    for number, kind in enumerate(("ext4", "xfs", "btrfs")):
        await live_and_leave_nothing(victim, kind, name_for(number), at_tool(1, ending))

    assert victim.deaths == 3


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
async def test_killed_at_any_moment_it_loses_nothing_and_leaves_nothing(
    victim: Victim, kind: str
) -> None:
    moments = seeded(KINDS.index(kind))
    steps = len(life_of(kind, NAME))

    number = 0
    while number < 10 or victim.deaths < 5:  # on a fast machine many lives end before the moment
        assert number < 80, "it is hardly ever hit"
        longest = 0.02 if kind == "block" else 0.1
        death = after(moments.uniform(0, longest), with_tools=moments.random() < 0.5)
        await live_and_leave_nothing(victim, kind, name_for(number), death, number % steps)
        number += 1

    assert victim.deaths >= 5


def at_open_mkfs(held: list[int]) -> Death:
    """Kill the plugin alone while mkfs has the device open, and have mkfs stand still there."""

    def wait(children: Children, pid: int, stop: threading.Event) -> bool:
        mkfs = hold_mkfs(children, stop)
        if mkfs:
            held.append(mkfs)
            kill(children, pid, with_tools=False)
        return bool(mkfs)

    return wait


async def stage_until_killed(victim: Victim, kind: str, held: list[int]) -> str:
    """Stage volumes until one mkfs was slow enough to be caught; return that volume's name."""
    calls = await victim.ready()
    for number in range(100):
        async with victim.dying(at_open_mkfs(held)):
            await calls.stage(mounted(kind), name_for(number))
            await calls.unstage(name_for(number))
        if victim.is_dead:
            return name_for(number)
    raise AssertionError("no mkfs was caught")


@contextlib.asynccontextmanager
async def naming_tools(victim: Victim) -> AsyncIterator[set[str]]:
    """Note the names of all tools that the plugin runs meanwhile."""
    names: set[str] = set()

    def note(children: Children, _: int, stop: threading.Event) -> bool:
        while not stop.is_set():
            names.update(name_of(each) for each in children.look())
        return False

    async with victim.dying(note):
        yield names


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
async def test_a_mkfs_whose_plugin_was_killed_comes_to_its_end_before_anything_else_is_made(
    victim: Victim, kind: str, held: list[int]
) -> None:
    name = await stage_until_killed(victim, kind, held)
    calls = await victim.restart()

    async with naming_tools(victim) as tools:
        staging = asyncio.create_task(calls.stage(mounted(kind), name))
        await asyncio.wait((staging,), timeout=1.0)
        staged = staging.done() and not staging.exception()
        os.kill(held[0], signal.SIGCONT)
        await asyncio.to_thread(wait_until_ended, held)
        await asyncio.gather(staging, return_exceptions=True)
        await calls.stage(mounted(kind), name)

    assert not staged
    assert not [tool for tool in tools if tool.startswith("mkfs")]
    assert len(calls.mounts()) == 1
