"""Fencing of a volume while it is in use: migrations, and what a modification makes of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.core.ids import NodeId, VolumeId
from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.testing import PASSWORD, RunningDevice, running_device
from libs.rdsclient.client import open_rds
from libs.rdsclient.config import RdsConfig
from services.controller.adapters.memory import MemoryCluster
from services.controller.plan.attach import NOBODY, Fencing
from services.controller.ports import Attachment
from services.controller.requests.volumes import parse_create
from services.controller.sites import Site, Sites
from services.controller.workflow.attach import Attacher
from services.controller.workflow.converge import Desk
from services.controller.workflow.volumes import Volumes
from tests.component.controller.rig import GIB, NAME, Rig, error_of, open_rig
from tests.component.controller.test_attach import (
    FENCED,
    HOSTS,
    NODES,
    SHARED,
    admitted,
    modify,
)
from tests.component.controller.test_in_cluster import DRIVER, open_in_cluster
from tests.fakes.apiserver import NODES as API_NODES
from tests.unit.controller.values import SETTINGS, create_request

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


# Who goes under another name, and who comes meanwhile


async def test_a_node_whose_host_nqn_has_changed_is_shut_out_when_it_leaves(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create(parameters=FENCED)
        await rig.publish("a")
        (disk,) = rig.device.state.disks
        disk.properties["nvme-tcp-server-allow-host-name"] = "nqn.2014-08.org.nvmexpress:uuid:old"

        await rig.unpublish("a")

        assert (admitted(rig), cuts(rig)) == (NOBODY, 1)


async def test_a_node_that_waits_for_the_volume_is_not_taken_for_the_one_that_leaves(
    tmp_path: Path,
) -> None:
    async with open_in_cluster(tmp_path, fencing=True) as there:
        await there.rig.delete()
        await there.rig.create(parameters=FENCED)
        await there.claim("b")  # another replica has let it in, and it is not marked as attached
        (disk,) = there.rig.device.state.disks
        disk.properties["nvme-tcp-server-allow-host-name"] = HOSTS["b"]
        before = cuts(there.rig)

        await there.rig.unpublish("a")

        assert (admitted(there.rig), cuts(there.rig)) == (HOSTS["b"], before)


async def test_a_node_that_is_known_by_another_name_so_far_is_not_taken_for_it_either(
    tmp_path: Path,
) -> None:
    new = "nqn.2014-08.org.nvmexpress:uuid:new"
    async with open_in_cluster(tmp_path, fencing=True) as there:
        await there.rig.delete()
        await there.rig.create(parameters=FENCED)
        there.api.frozen.add(API_NODES)
        annotations = {f"{DRIVER}/host-nqn": new}
        await there.api.put(API_NODES, {"metadata": {"name": "b", "annotations": annotations}})
        await there.claim("b", attached=True)  # another replica has let it in
        (disk,) = there.rig.device.state.disks
        disk.properties["nvme-tcp-server-allow-host-name"] = new

        await there.rig.unpublish("a")

        assert admitted(there.rig) == new


class OtherReplica(MemoryCluster):
    """A cluster in which another replica lets a node in as soon as the claims have been told."""

    def __init__(self, device: RunningDevice) -> None:
        super().__init__(HOSTS)
        self._device = device

    async def of_volume(
        self, volume: VolumeId, asking: NodeId | None = None
    ) -> tuple[Attachment, ...]:
        held = await super().of_volume(volume, asking)
        (disk,) = self._device.state.disks
        disk.properties["nvme-tcp-server-allow-host-name"] = HOSTS["b"]
        return held


async def test_a_node_that_is_let_in_after_the_claims_were_read_is_not_taken_for_it_either() -> (
    None
):
    async with running_device(Device([Pool("raid10", 100 * GIB)])) as device:
        config = RdsConfig(
            device.host, device.port, host_key=device.host_key, password=Secret(PASSWORD)
        )
        site = Site(replace(SETTINGS, fencing=True))
        async with open_rds(config) as rds:
            desk, cluster = Desk(rds, site), MemoryCluster(HOSTS)
            _, wanted = parse_create(create_request(parameters=FENCED), Sites([site]))
            await Volumes(desk, cluster, site).create(wanted)
            attacher = Attacher(desk, OtherReplica(device), site)

            done = await attacher.unpublish(VolumeId.parse(NAME), NodeId.parse("a"))

            (disk,) = device.state.disks
            assert done is Fencing.ALREADY
            assert disk.properties["nvme-tcp-server-allow-host-name"] == HOSTS["b"]
