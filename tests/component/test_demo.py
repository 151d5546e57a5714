"""The demo: what it shows when all is well, and that it does not hide a surprise."""

import asyncio
import sys
from pathlib import Path

import pytest

from demo.processes import Surprise, open_house
from demo.walk import NAME, WALK, expect


async def test_it_ends_with_an_empty_device_and_shows_every_call() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo"), stdout=asyncio.subprocess.PIPE
    )

    shown, _ = await process.communicate()

    text = shown.decode()
    assert process.returncode == 0, text
    assert all(step.name in text for step in WALK)
    assert "21 round trips to the device, and the device is empty again" in text


async def test_whatever_is_left_on_the_device_is_seen(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for step in WALK[:3]:
            await step.call(house)
        left = await house.device.leftovers()

        assert left == [NAME, f"raid10/volumes/{NAME}.img"]


def test_a_surprise_says_what_was_expected() -> None:
    with pytest.raises(Surprise, match="expected 10 GiB; got 9"):
        expect(that=False, expected="10 GiB", got=9)
