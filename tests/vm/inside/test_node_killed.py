"""The node plugin as a process of its own on a real kernel: killed, and started again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.exceptions import StreamTerminatedError

from tests.vm.inside.plugin import NVME, Plugin, VmCalls, open_plugin
from tests.vm.inside.rig import insist, until
from tests.vm.inside.writing import fill, sum_of
from tests.vm.nvmet import Nvmet

VOLUMES = tuple(f"pvc-00000000-0000-0000-0000-{number:012}" for number in range(8))
Step = Callable[[VmCalls, str], Coroutine[None, None, None]]
LOST = (OSError, StreamTerminatedError, GRPCError)


async def is_connecting() -> bool:
    return any(NVME.iterdir())


async def kill_while_staging(plugin: Plugin, moment: Callable[[], Awaitable[bool]]) -> None:
    """Start the plugin, have it stage a volume, and kill it at a moment of that."""
    staging = asyncio.create_task((await plugin.start()).stage())

    async def has_come() -> bool:
        return staging.done() or await moment()

    await until(has_come)
    await plugin.kill()
    with pytest.raises((OSError, StreamTerminatedError)):
        await staging


async def test_killed_in_the_middle_of_staging_and_after_it_the_plugin_goes_on(
    host: Path, target: Nvmet
) -> None:
    async with open_plugin(host, target) as plugin:
        await kill_while_staging(plugin, is_connecting)
        await (await plugin.start()).stage()
        await plugin.kill()
        calls = await plugin.start()
        path = await calls.publish()
        written = fill(path / "data")
        found = sum_of(path / "data")
        await calls.unpublish()
        await calls.unstage()

        assert found == written
        assert calls.leftovers() == []


async def through_a_death(plugin: Plugin, calls: VmCalls, step: Step) -> VmCalls:
    """Take a step with all volumes, kill the plugin in the middle, and repeat it for all."""
    tasks = [asyncio.create_task(step(calls, name)) for name in VOLUMES]

    async def is_half_done() -> bool:
        return sum(task.done() for task in tasks) >= len(tasks) // 2

    await until(is_half_done, 60)
    await plugin.kill()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(error is None or isinstance(error, LOST) for error in ended)
    calls = await plugin.start()
    await asyncio.gather(*(insist(partial(step, calls, name)) for name in VOLUMES))
    return calls


async def stage(calls: VmCalls, name: str) -> None:
    await calls.stage(name=name)


async def publish(calls: VmCalls, name: str) -> None:
    await calls.publish(name=name)


async def unpublish(calls: VmCalls, name: str) -> None:
    await calls.unpublish(name=name)


async def unstage(calls: VmCalls, name: str) -> None:
    await calls.unstage(name)


async def test_killed_in_the_middle_of_each_step_with_many_volumes_everything_converges(
    host: Path, target: Nvmet
) -> None:
    async with open_plugin(host, target) as plugin:
        calls = await plugin.start()
        for step in (stage, publish):
            calls = await through_a_death(plugin, calls, step)
        sums = {name: fill(calls.target(name=name) / "data") for name in VOLUMES}
        for step in (unpublish, unstage):
            calls = await through_a_death(plugin, calls, step)
        left = calls.leftovers()
        await calls.stage(name=VOLUMES[0])
        found = sum_of(calls.staging(VOLUMES[0]) / "data")

    assert left == []
    assert found == sums[VOLUMES[0]]
