"""Fencing of a volume while it is in use: migrations, and what a modification makes of it."""

from pathlib import Path

import pytest
from grpclib.const import Status

from services.controller.plan.attach import NOBODY
from tests.component.controller.rig import Rig, error_of, open_rig
from tests.component.controller.test_attach import (
    FENCED,
    HOSTS,
    NODES,
    SHARED,
    admitted,
    modify,
)
from tests.component.controller.test_in_cluster import open_in_cluster

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


# Modifying


async def test_fencing_that_begins_in_a_migration_lets_in_its_target(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **LAST) as rig:
        await rig.create(capability=SHARED)
        await rig.publish("b", capability=SHARED)
        await rig.publish("a", capability=SHARED)

        await modify(rig, FENCED)

        assert admitted(rig) == HOSTS["a"]
        assert cuts(rig) == 0


@pytest.mark.parametrize(("fencing", "expected"), [("off", ""), ("host", HOSTS["a"])])
async def test_a_cut_that_the_device_broke_off_is_ended_when_fencing_is_modified(
    tmp_path: Path, fencing: str, expected: str
) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create(parameters=FENCED)
        await rig.publish("a")
        (disk,) = rig.device.state.disks
        disk.properties["nvme-tcp-export"] = False

        await modify(rig, {"fencing": fencing})

        assert admitted(rig) == expected
        assert disk.properties["nvme-tcp-export"] is True


async def test_fencing_does_not_begin_for_a_volume_that_somebody_switched_off(
    tmp_path: Path,
) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create()
        (disk,) = rig.device.state.disks
        disk.properties["nvme-tcp-export"] = False

        status, message = await error_of(modify(rig, FENCED))

        assert status is Status.FAILED_PRECONDITION
        assert "is not exported" in message
        assert (admitted(rig), disk.properties["nvme-tcp-export"]) == ("", False)


async def test_a_node_that_another_replica_has_just_let_in_stays_so_when_a_volume_is_modified(
    tmp_path: Path,
) -> None:
    async with open_in_cluster(tmp_path, fencing=True) as there:
        await there.rig.delete()
        await there.rig.create(parameters=FENCED)
        await there.claim("b")  # published, and not marked as attached yet
        (disk,) = there.rig.device.state.disks
        disk.properties["nvme-tcp-server-allow-host-name"] = HOSTS["b"]

        await modify(there.rig, {**FENCED, "ctrlLossTmo": "600"})

        assert admitted(there.rig) == HOSTS["b"]
