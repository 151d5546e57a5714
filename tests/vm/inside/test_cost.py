"""What the node plugin costs beside the same done by hand, as a ratio; no test of speed."""

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.component.node.rig import SIZES, mounted
from tests.vm.inside.plugin import VmRig, nqn_of
from tests.vm.nvmet import ADDRESS, PORT, Nvmet, nvme

ROUNDS = 3
PLUGIN, HAND = (f"pvc-00000000-0000-0000-0000-00000000000{digit}" for digit in "12")


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, timeout=120, capture_output=True)  # noqa: S603 (our own words)


def find_device(nqn: str) -> str:
    """Return the disk of a subsystem, once it is there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for path in Path("/sys/class/nvme-subsystem").glob("nvme-subsys*/subsysnqn"):
            disks = [each.name for each in path.parent.glob("nvme*n*") if "c" not in each.name]
            if path.read_text().strip() == nqn and disks:
                return f"/dev/{disks[0]}"
    raise TimeoutError(f"no disk of {nqn}")


def by_hand(nqn: str, fs_type: str, point: Path, *, is_new: bool) -> None:
    """Do with nvme-cli, mkfs and mount what staging and unstaging do."""
    nvme("connect", "--transport=tcp", f"--traddr={ADDRESS}", f"--trsvcid={PORT}", f"--nqn={nqn}")
    device = find_device(nqn)
    if is_new:
        run(f"mkfs.{fs_type}", "-q", device)
    else:
        run("blkid", "-p", device)
    run("mount", "-t", fs_type, device, point)
    run("umount", point)
    nvme("disconnect", f"--nqn={nqn}")


@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
async def test_staging_and_unstaging_beside_nvme_cli_mkfs_and_mount(
    node: VmRig,
    target: Nvmet,
    host: Path,
    fs_type: str,
    note_steps: Callable[[str], None],
) -> None:
    point = host / "by-hand"
    point.mkdir()
    target.export(nqn_of(HAND), SIZES[fs_type])
    node.image(SIZES[fs_type], PLUGIN)
    driver: list[float] = []
    hand: list[float] = []

    for round_number in range(ROUNDS + 1):
        began = time.monotonic()
        by_hand(nqn_of(HAND).text, fs_type, point, is_new=not round_number)
        between = time.monotonic()
        await node.stage(mounted(fs_type), PLUGIN)
        await node.unstage(PLUGIN)
        hand.append(between - began)
        driver.append(time.monotonic() - between)

    first = driver[0] / hand[0]
    again = statistics.median(driver[1:]) / statistics.median(hand[1:])
    note_steps(f"{first:.1f} x by hand when new, {again:.1f} x again")
    assert node.leftovers() == []
