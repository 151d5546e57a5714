"""What docs/moving.md says of volumes that another driver staged, which have no record here."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.const import Status

from libs.nvmeof.mountinfo import Mount
from tests.component.node.hosts import clean_host, in_memory
from tests.component.node.rig import (
    NodeRig,
    holding,
    mounted,
    needs_mounts,
    open_rig,
    raw,
    write_safely,
)

pytestmark = needs_mounts


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    with in_memory(tmp_path), clean_host(tmp_path):
        yield tmp_path


@contextlib.asynccontextmanager
async def moved(host: Path) -> AsyncIterator[NodeRig]:
    """Start a plugin that knows nothing of what is staged and published on its host."""
    shutil.rmtree(host / "state")
    async with open_rig(host) as rig:
        yield rig


def points(mounts: list[Mount]) -> list[str]:
    return sorted(mount.point for mount in mounts)


async def test_a_pod_keeps_its_volume_while_the_plugin_is_replaced(host: Path) -> None:
    async with open_rig(host) as old:
        await old.stage()
        target = await old.publish()
        write_safely(target / "data", "before")
        before = points(old.mounts())

    async with holding(target / "open") as file, moved(host) as new:
        file.write("while")
        file.flush()

        assert points(new.mounts()) == before
        assert (target / "data").read_text() == "before"
        assert (target / "open").read_text() == "while"


async def test_what_another_driver_published_and_staged_is_undone(host: Path) -> None:
    async with open_rig(host) as old:
        await old.stage()
        await old.publish()

    async with moved(host) as new:
        await new.unpublish()
        await new.unstage()

        assert (new.mounts(), new.loops()) == ([], [])


async def test_what_another_driver_staged_is_staged_anew_without_unmounting_it(host: Path) -> None:
    async with open_rig(host) as old:
        await old.stage()
        target = await old.publish()
        write_safely(target / "data", "before")

    async with holding(target / "open"), moved(host) as new:
        await new.stage()
        second = await new.publish(pod="pod-2")

        assert (second / "data").read_text() == "before"
        assert len(new.mounts()) == 3


@pytest.mark.parametrize("capability", [mounted(), raw()], ids=["filesystem", "block"])
async def test_a_second_pod_has_to_wait_until_the_volume_is_staged_anew(
    host: Path, capability: object
) -> None:
    async with open_rig(host) as old:
        await old.stage(capability)  # type: ignore[arg-type]
        await old.publish(capability)  # type: ignore[arg-type]

    async with moved(host) as new:
        with pytest.raises(GRPCError) as caught:
            await new.publish(capability, pod="pod-2")  # type: ignore[arg-type]

        assert caught.value.status is Status.FAILED_PRECONDITION
        assert "is not staged at" in str(caught.value.message)
