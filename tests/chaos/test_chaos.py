"""A few seconds of chaos, and whether harm is noticed; `./dev chaos` is the long form."""

import os
from pathlib import Path

import pytest

from tests.chaos.house import House
from tests.chaos.run import Options, Sabotage, run
from tests.component.node.rig import needs_mounts

pytestmark = [needs_mounts, pytest.mark.slow, pytest.mark.timeout(240)]


async def remove_everything(house: House) -> None:
    await house.tell_device("/reset")


async def empty_every_file(house: House) -> None:
    for path in (house.here / "disks").rglob("*.img"):
        size = path.stat().st_size
        os.truncate(path, 0)
        os.truncate(path, size)


async def test_promises_are_kept_while_everything_goes_wrong(tmp_path: Path) -> None:
    found = await run(Options(seed=1, seconds=10.0, clients=4), tmp_path)

    assert found["broken"] == []
    assert found["faults"] >= 10
    assert found["operations"] >= 50


@pytest.mark.parametrize("sabotage", [remove_everything, empty_every_file])
async def test_a_device_that_loses_what_it_had_is_found_out(
    tmp_path: Path, sabotage: Sabotage
) -> None:
    found = await run(Options(seed=1, seconds=4.0, intensity=0.3), tmp_path, sabotage)

    assert any("promised" in one or "was read where" in one for one in found["broken"])
