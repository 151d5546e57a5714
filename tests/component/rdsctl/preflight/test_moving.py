"""What docs/moving.md says of volumes that another driver staged, which have no record here."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from libs.nvmeof.mountinfo import Mount
from protos.gen.csi import v1 as csi
from tests.component.node.hosts import clean_host, in_memory
from tests.component.node.rig import (
    NAME,
    NodeRig,
    holding,
    mounted,
    needs_mounts,
    open_rig,
    publish_context,
    raw,
    write_safely,
)
from tests.component.node.ward import ToldCluster

pytestmark = needs_mounts

SIZE = 64 * 2**20


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    with in_memory(tmp_path), clean_host(tmp_path):
        yield tmp_path


@contextlib.asynccontextmanager
async def moved(host: Path) -> AsyncIterator[NodeRig]:
    """Start a plugin that knows nothing of what is staged and published on its host.

    The cluster knows: the volume is attached to this node.
    """
    shutil.rmtree(host / "state")
    async with open_rig(host, cluster=ToldCluster()) as rig:
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
async def test_a_second_pod_gets_what_another_driver_staged(
    host: Path, capability: csi.VolumeCapability
) -> None:
    async with open_rig(host) as old:
        await old.stage(capability)
        await old.publish(capability)

    context = publish_context(NAME, capability.mount.fs_type if capability.mount else "", SIZE)
    async with moved(host) as new:
        second = await new.publish(capability, pod="pod-2", context=context)

        assert second.exists()
        assert len(new.loops()) == 1
