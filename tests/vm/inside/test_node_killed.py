"""The node plugin as a process of its own on a real kernel: killed, and started again."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from grpclib.exceptions import StreamTerminatedError

from tests.vm.inside.plugin import NVME, Plugin, fill, open_plugin, sum_of
from tests.vm.inside.rig import until
from tests.vm.nvmet import Nvmet


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


@pytest.mark.timeout(120)  # it is started three times
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
