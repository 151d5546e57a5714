"""Whatever is called, and whatever breaks: what is on a volume stays on it.

Each sequence has a seed. One that fails prints it with the moves that were made, and is made again
with `pytest tests/safety --seed=N`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from libs.core.ids import VolumeId
from libs.nvmeof.errors import HostHangs
from tests.component.node.rig import NAME, needs_mounts
from tests.safety.lane import Lane, open_lane
from tests.safety.moves import Move, draw, draw_for_empty, make, show

pytestmark = needs_mounts

FILESYSTEMS = ("ext4", "xfs", "btrfs")
_LANES = 3
"""Sequences of one filesystem that are tried at a time; most of each is waiting for tools."""

Play = Callable[[Lane, random.Random, list[tuple[Move, str]]], Awaitable[None]]


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
async def test_no_sequence_of_calls_and_faults_harms_what_is_on_a_volume(
    fs_type: str, sequences: Sequence[int], tmp_path: Path
) -> None:
    async def play(lane: Lane, rng: random.Random, done: list[tuple[Move, str]]) -> None:
        await lane.restore()
        for move in draw(rng):
            done.append((move, "?"))
            done[-1] = (move, await make(lane, move))
            assert len(lane.live_devices()) <= 1, "one filesystem, mounted of two devices"
            _check_nothing_is_formatted(lane)
        await lane.heal()
        assert await lane.read_sum() == lane.sum
        found = lane.read_superblock()
        assert found and lane.superblock and found.uuid == lane.superblock.uuid  # noqa: PT018
        await lane.let_go()

    await _play_all(fs_type, sequences, tmp_path, play)


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
async def test_an_empty_device_that_cannot_be_read_is_not_formatted_before_it_can(
    fs_type: str, sequences: Sequence[int], tmp_path: Path
) -> None:
    async def play(lane: Lane, rng: random.Random, done: list[tuple[Move, str]]) -> None:
        lane.make_empty()
        for move in draw_for_empty(rng):
            done.append((move, "?"))
            done[-1] = (move, await make(lane, move))
            assert lane.image.stat().st_blocks == 0, "something was written"
            _check_nothing_is_formatted(lane)
        await lane.heal()
        await lane.insist(lambda: lane.rig.stage(lane.right))
        assert lane.is_mounted(lane.rig.staging())
        await lane.insist(lane.rig.unstage)

    await _play_all(fs_type, sequences[::20], tmp_path, play)


def _check_nothing_is_formatted(lane: Lane) -> None:
    record = lane.rig.desk.records.get(VolumeId.parse(NAME))
    assert record is None or record.begun is None, "formatting was begun"


async def _play_all(fs_type: str, sequences: Sequence[int], path: Path, play: Play) -> None:
    """Play each of the sequences that this filesystem has a share in."""
    mine = [seed for seed in sequences if FILESYSTEMS[seed % len(FILESYSTEMS)] == fs_type]
    if not mine:
        pytest.skip("this sequence is one of another filesystem")
    failures: list[str] = []
    try:
        async with AsyncExitStack() as stack:
            lanes = [
                await stack.enter_async_context(open_lane(path / str(number), fs_type))
                for number in range(min(_LANES, len(mine)))
            ]
            await asyncio.gather(*(lane.make_data() for lane in lanes))
            shares = [mine[number :: len(lanes)] for number in range(len(lanes))]
            await asyncio.gather(
                *(
                    _play_some(lane, share, play, failures)
                    for lane, share in zip(lanes, shares, strict=True)
                )
            )
    except HostHangs as error:
        failures.append(f"the host is not left as it was: {error}")
    if failures:
        pytest.fail("\n".join(failures))


async def _play_some(lane: Lane, seeds: Sequence[int], play: Play, failures: list[str]) -> None:
    """Play sequences one after the other, until one of any lane fails."""
    for seed in seeds:
        if failures:
            return
        done: list[tuple[Move, str]] = []
        try:
            await play(lane, random.Random(seed), done)  # noqa: S311 (it is to be repeated)
        except Exception as error:  # noqa: BLE001 (the seed has to be told, whatever it was)
            failures.append(f"--seed={seed} ({lane.fs_type}): {error!r}\n{show(done)}")
