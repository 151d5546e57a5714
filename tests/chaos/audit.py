"""The end: everything is at rest, and what there is has to be what was promised."""

import asyncio
import contextlib
import itertools
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from libs.core.images import Image
from tests.chaos import disk
from tests.chaos.cluster import host_nqn
from tests.chaos.house import GRACE, House
from tests.chaos.lives import Client
from tests.chaos.machine import run_tool
from tests.chaos.promises import State, Thing

REST_SECONDS = 30.0
"""How long after the last fault all has to be at rest."""

_PATIENCE = 120.0
"""How long that is waited for, to be able to say how long it took."""

_SLACK = 30.0
"""Seconds that the reconciler may take beyond the grace period: its pass, and its leader."""

_LOOK_AGAIN = 0.1


async def reach_rest(house: House, clients: list[Client], living: asyncio.Task[None]) -> float:
    """Have clients come to an end, and wait until nothing goes on; return the seconds it took."""
    began = time.monotonic()
    house.closing.set()
    try:
        async with asyncio.timeout(_PATIENCE):
            await asyncio.shield(living)
            while why := await _unrest(house):  # noqa: ASYNC110 (in other processes)
                await asyncio.sleep(_LOOK_AGAIN)
    except TimeoutError:
        busy = [f"client {n} is in {c.doing}" for n, c in enumerate(clients) if c.doing]
        open_calls = [method for _, method in house.calls.begun.values()]
        why = str(busy or await _unrest(house))
        house.complain(f"no rest after {_PATIENCE:g} s: {why}; calls: {open_calls}")
    took = time.monotonic() - began
    if took > REST_SECONDS:
        house.complain(f"all was at rest only {took:.1f} s after the last fault")
    return took


async def _unrest(house: House) -> str:
    """Return what is going on yet."""
    for program in house.programs:
        if not program.runs:
            return f"{program.name} does not run"
    for machine in house.machines:
        if machine.mounts() or machine.loops():
            return f"{machine.name} has {machine.mounts()} and {machine.connected()}"
    if left := await house.cluster.all_attachments():
        return f"there are VolumeAttachments: {left}"
    return "" if await house.cluster.leader() else "no reconciler leads"


async def compare_all(house: House) -> None:
    """Compare what the device has, to the last byte, with what was promised."""
    await _wait_for_repair(house)
    sizes, snapshots = await house.on_device()
    house.promises.compare_all(sizes, snapshots, time.monotonic(), GRACE + _SLACK)
    await _compare_fences(house)
    images = {}
    for path in (house.here / "disks").rglob("*.img"):
        image = Image.parse(str(path))
        if image is not None:
            images[image.slot.text] = path
    things = house.promises.volumes | house.promises.snapshots
    for name, thing in things.items():
        if thing.state is State.THERE:
            await _compare_bytes(house, name, thing, images)


async def _wait_for_repair(house: House) -> None:
    """Give the reconciler its time for what it could not do while things went wrong.

    Until the last fault passes failed as often as not, and what a lost answer says was not done is
    decided anew: only from then on is it a promise.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE + _SLACK):
            while True:
                found = itertools.chain(*await house.on_device())
                if not house.promises.overdue(set(found), time.monotonic(), GRACE + _SLACK):
                    return
                await asyncio.sleep(1.0)


async def _compare_fences(house: House) -> None:
    """No node has a volume now, so the device must let no node in to one that is fenced."""
    state = await house.tell_device("/state", method="GET")
    for item in state["disks"]:
        admitted = str(item.get("nvme-tcp-server-allow-host-name") or "")
        for machine in house.machines:
            if host_nqn(machine.name) in admitted:
                house.complain(f"{item['slot']} still lets {machine.name} in")


async def _compare_bytes(house: House, name: str, thing: Thing, images: Mapping[str, Path]) -> None:
    if name not in images:
        house.complain(f"{name} has no file")
        return
    copy = house.here / "copy.img"
    try:
        await asyncio.to_thread(shutil.copyfile, images[name], copy)
        if thing.filesystem:
            house.promises.holds(name, thing, disk.filesystem_of(copy))
            blocks = await _read_mounted(house.here, copy)
        elif any(mark for marks in thing.content.values() for mark in marks):
            blocks = await asyncio.to_thread(disk.read_blocks, copy, raw=True)
        else:
            return
        house.promises.read(f"{name} at the end", thing, blocks)
    except OSError as error:
        house.complain(f"{name} cannot be read at the end: {error}")
    finally:
        copy.unlink(missing_ok=True)


async def _read_mounted(here: Path, image: Path) -> dict[int, str]:
    """Mount a copy, by the host's own tools, and read it."""
    point = here / "look"
    point.mkdir(exist_ok=True)
    if await run_tool("mount", "-o", "loop", image, point):
        raise OSError("its filesystem cannot be mounted")
    try:
        return await asyncio.to_thread(disk.read_blocks, point, raw=False)
    finally:
        await run_tool("umount", "-d", point)


_BUGS = ("Traceback", "never retrieved", "was destroyed", "never awaited")
"""What Python says of errors that nobody expected, and of tasks that nobody owns."""


async def read_logs(house: House) -> None:
    """Look for bugs that no caller has noticed."""
    for program in house.programs:
        if not program.remembers:  # the services, not the stand-ins
            for line in await asyncio.to_thread(_find_bugs, program.log):
                house.complain(f"{program.name} logged: {line[:300]}")


def _find_bugs(log: Path) -> list[str]:
    with log.open(errors="replace") as file:
        found = (line.rstrip() for line in file if any(bug in line for bug in _BUGS))
        return list(itertools.islice(found, 3))
