"""The demo: what it shows when all is well, and that it does not hide a surprise."""

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from demo.actions import read_actions
from demo.host import Need, examine_host, list_left, tidy
from demo.processes import Surprise, open_house
from demo.repair import REPAIR
from demo.steps import NAME, expect
from demo.walk import WALK
from tests.component.node.rig import needs_mounts

DEMO = (sys.executable, "-m", "demo")
WITHOUT_MOUNTING = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
EMPTY_AGAIN = "22 round trips to the device, and the device is empty again"
LIMIT = 50.0

may_drop_rights = pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")


async def run_demo(*argv: str) -> tuple[int | None, str]:
    """Run it to its end; return its exit code and what it showed, without the lines' ends."""
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(LIMIT):
        shown, _ = await process.communicate()
    return process.returncode, " ".join(shown.decode().split())


def skipped_by(text: str) -> int:
    """Return how many steps are shown as skipped."""
    return text.count("│ skipped:")


@needs_mounts
async def test_it_ends_with_an_empty_device_and_shows_every_step(tmp_path: Path) -> None:
    host = await examine_host(tmp_path)

    code, text = await run_demo(*DEMO)

    assert code == 0, text
    assert all(step.name in text for step in WALK)
    assert f"mkfs.{host.fs_type} /dev/loop" in text
    assert "unchanged: 4 MiB" in text
    assert EMPTY_AGAIN in text
    assert skipped_by(text) == len(host.missing)


async def test_a_node_that_is_gone_is_found_and_what_it_left_is_taken_back() -> None:
    code, text = await run_demo(*DEMO, "--without-node")

    scene = text.partition("A node is gone")[2]
    assert code == 0, text
    assert all(name in scene for name, _ in REPAIR)
    assert "attached everybody" in scene
    assert "node-gone" in scene
    assert "VolumeDetached" in scene
    assert "Nothing is attached." in scene
    assert "gone, and the device is empty again" in scene


async def test_without_the_node_the_rest_goes_on_and_what_is_skipped_is_shown() -> None:
    code, text = await run_demo(*DEMO, "--without-node")

    assert code == 0, text
    assert EMPTY_AGAIN in text
    assert skipped_by(text) == sum(step.needs is not Need.NOTHING for step in WALK)
    assert "12 skipped (--without-node was given)" in text


@needs_mounts
@may_drop_rights
async def test_where_nothing_may_be_mounted_the_nodes_part_is_skipped_with_the_reason() -> None:
    code, text = await run_demo(*WITHOUT_MOUNTING, *DEMO)

    assert code == 0, text
    assert EMPTY_AGAIN in text
    assert "12 skipped (" in text
    assert "permission denied" in text  # to make a loop device, or to mount it


@needs_mounts
async def test_interrupted_twice_with_a_volume_mounted_it_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*DEMO, "--latency=100"),
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT):
        while not any(point.endswith("globalmount") for point in list_left(tmp_path)[0]):
            assert process.returncode is None
            await asyncio.sleep(0.01)  # another process gets there

    for _ in range(2):
        process.send_signal(signal.SIGINT)
    async with asyncio.timeout(LIMIT):
        shown, _ = await process.communicate()

    assert process.returncode == 128 + signal.SIGINT, shown.decode()
    assert "ended by SIGINT" in shown.decode()
    assert list_left(tmp_path) == ([], [])
    assert os.listdir(tmp_path) == []  # noqa: PTH208 (short, and nothing else runs)


@needs_mounts
async def test_what_a_failed_step_left_mounted_is_tidied_up_and_named(tmp_path: Path) -> None:
    host = await examine_host(tmp_path)
    names = [step.name for step in WALK]
    async with open_house(tmp_path, host=host) as house:
        for step in WALK[: names.index("NodePublishVolume") + 1]:
            await step.call(house)

    found = tidy(tmp_path)

    assert [Path(path).name for path in found[:2]] == ["globalmount", "mount"]
    assert found[2].startswith("/dev/loop")
    assert list_left(tmp_path) == ([], [])


async def test_whatever_is_left_on_the_device_is_seen(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for step in WALK[:3]:
            await step.call(house)
        left = await house.device.leftovers()

        assert left == [NAME, f"raid10/volumes/{NAME}.img"]


def test_a_tool_is_shown_by_what_it_does_and_to_what() -> None:
    lines = [
        '{"event": "step", "step": "Connect"}',
        '{"event": "step", "step": "MountStaging"}',
        f'{{"event": "tool", "argv": ["mount", "-c", "-t", "xfs", "/dev/loop1", "/d/{NAME}/m"]}}',
    ]

    assert read_actions(lines, "/d", whole=False) == [
        "connect (a loop device, for NVMe/TCP)",
        "mount -t xfs /dev/loop1 pvc-5d1a2b3c…/m",
    ]


def test_a_surprise_says_what_was_expected() -> None:
    with pytest.raises(Surprise, match="expected 10 GiB; got 9"):
        expect(that=False, expected="10 GiB", got=9)
