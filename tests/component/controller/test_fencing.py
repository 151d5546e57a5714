"""Fencing where the device lets in only the last host of a migration."""

from pathlib import Path

from services.controller.plan.attach import NOBODY
from tests.component.controller.rig import Rig, open_rig
from tests.component.controller.test_attach import (
    FENCED,
    HOSTS,
    NODES,
    SHARED,
    admitted,
    modify,
)

LAST = {"fencing_two_hosts": "last", **NODES}


def cuts(rig: Rig) -> int:
    """Return how often an export was stopped, and whoever was connected cut off."""
    return sum("nvme-tcp-export=no" in line for line in rig.device.lines)


async def test_the_running_source_of_a_migration_is_not_cut_off_though_only_the_target_is_let_in(
    tmp_path: Path,
) -> None:
    async with open_rig(tmp_path, **LAST) as rig:
        await rig.create(parameters=FENCED, capability=SHARED)
        await rig.publish("a", capability=SHARED)

        await rig.publish("b", capability=SHARED)

        assert admitted(rig) == HOSTS["b"]
        assert cuts(rig) == 0


async def test_the_source_is_let_in_again_when_its_migration_is_given_up(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **LAST) as rig:
        await rig.create(parameters=FENCED, capability=SHARED)
        await rig.publish("a", capability=SHARED)
        await rig.publish("b", capability=SHARED)

        await rig.unpublish("b")
        await rig.unpublish("b")
        left, cut = admitted(rig), cuts(rig)
        await rig.unpublish("a")

        assert (left, cut) == (HOSTS["a"], 0)
        assert (admitted(rig), cuts(rig)) == (NOBODY, 1)


async def test_the_source_is_shut_out_of_a_migration_that_is_done_and_stays_so(
    tmp_path: Path,
) -> None:
    async with open_rig(tmp_path, **LAST) as rig:
        await rig.create(parameters=FENCED, capability=SHARED)
        await rig.publish("b", capability=SHARED)
        await rig.publish("a", capability=SHARED)

        await rig.unpublish("b")

        assert admitted(rig) == HOSTS["a"]
        assert cuts(rig) == 0


async def test_fencing_that_begins_in_a_migration_lets_in_its_target(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **LAST) as rig:
        await rig.create(capability=SHARED)
        await rig.publish("b", capability=SHARED)
        await rig.publish("a", capability=SHARED)

        await modify(rig, FENCED)

        assert admitted(rig) == HOSTS["a"]
        assert cuts(rig) == 0
