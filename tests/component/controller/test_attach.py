"""Attaching: fencing, migration, unknown nodes, changed options."""

from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from libs.mockrds.faults import Action, Fault
from protos.gen.csi import v1 as csi
from services.controller.plan.attach import NOBODY
from tests.component.controller.rig import (
    GIB,
    NAME,
    Mode,
    Rig,
    block,
    error_of,
    mount,
    open_rig,
)

HOSTS = {name: f"nqn.2014-08.org.nvmexpress:uuid:{name}" for name in ("a", "b", "c")}
FENCED = {"fencing": "host"}
NODES: dict[str, Any] = {"known_nodes": tuple(HOSTS.items()), "fencing": True}
SHARED = block(Mode.MULTI_NODE_MULTI_WRITER)


def admitted(rig: Rig) -> str:
    (disk,) = rig.device.state.disks
    return str(disk.properties["nvme-tcp-server-allow-host-name"])


async def modify(rig: Rig, parameters: dict[str, str], **fields: dict[str, str]) -> None:
    await rig.controller.controller_modify_volume(
        csi.ControllerModifyVolumeRequest(
            volume_id=NAME, mutable_parameters=parameters, secrets=fields.get("secrets", {})
        )
    )


async def test_a_node_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create()

        status, message = await error_of(rig.publish("z"))

        assert (status, message) == (Status.NOT_FOUND, "node z does not exist")


async def test_a_fenced_volume_admits_the_node_that_has_it_and_nobody_else(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        seen = []
        await rig.create(parameters=FENCED)
        seen.append(admitted(rig))
        await rig.publish("a")
        seen.append(admitted(rig))
        await rig.publish("a")
        await rig.unpublish("a")
        seen.append(admitted(rig))
        await rig.publish("b")
        seen.append(admitted(rig))

        assert seen == [NOBODY, HOSTS["a"], NOBODY, HOSTS["b"]]


async def test_a_node_is_not_taken_away_until_the_device_has_shut_it_out(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create(parameters=FENCED)
        await rig.publish("a")
        rig.device.faults.add(Fault(Action.DROP_BEFORE, "allow-host-name"))

        status, _ = await error_of(rig.unpublish("a"))
        refused, _ = await error_of(rig.publish("b"))
        await rig.unpublish("a")
        await rig.publish("b")

        assert status is Status.UNAVAILABLE
        assert refused is Status.FAILED_PRECONDITION
        assert admitted(rig) == HOSTS["b"]


@pytest.mark.parametrize(
    ("mode", "expected"), [("list", f"{HOSTS['a']},{HOSTS['b']}"), ("last", HOSTS["b"])]
)
async def test_both_ends_of_a_migration_are_admitted_as_configured(
    tmp_path: Path, mode: str, expected: str
) -> None:
    async with open_rig(tmp_path, fencing_two_hosts=mode, **NODES) as rig:
        await rig.create(parameters=FENCED, capability=SHARED)
        await rig.publish("a", capability=SHARED)
        await rig.publish("b", capability=SHARED)
        both = admitted(rig)
        third, message = await error_of(rig.publish("c", capability=SHARED))
        await rig.unpublish("a")

        assert both == expected
        assert third is Status.FAILED_PRECONDITION
        assert "a live migration has two ends" in message
        assert admitted(rig) == HOSTS["b"]


async def test_a_fenced_migration_is_refused_where_two_hosts_are_not_to_be_admitted(
    tmp_path: Path,
) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create(parameters=FENCED, capability=SHARED)
        await rig.publish("a", capability=SHARED)

        status, message = await error_of(rig.publish("b", capability=SHARED))

        assert status is Status.FAILED_PRECONDITION
        assert "--fencing-two-hosts=refuse" in message
        assert admitted(rig) == HOSTS["a"]


async def test_volumes_that_are_not_fenced_migrate_whatever_is_configured_for_the_others(
    tmp_path: Path,
) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create(capability=SHARED)
        await rig.publish("a", capability=SHARED)

        await rig.publish("b", capability=SHARED)

        assert admitted(rig) == ""


async def test_fencing_is_refused_where_it_is_not_switched_on(rig: Rig) -> None:
    status, message = await error_of(rig.create(parameters=FENCED))

    assert status is Status.INVALID_ARGUMENT
    assert "--fencing" in message


async def test_fencing_can_be_switched_on_and_off_while_a_volume_is_in_use(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create()
        await rig.publish("a")

        await modify(rig, FENCED)
        fenced = admitted(rig)
        await modify(rig, {"fencing": "off"})

        assert (fenced, admitted(rig)) == (HOSTS["a"], "")


async def test_changed_reconnect_options_reach_the_node_at_the_next_attachment(rig: Rig) -> None:
    await rig.create()
    before = await rig.publish("worker-1")

    await modify(rig, {"ctrlLossTmo": "600", "reconnectDelay": "2"})
    after = await rig.publish("worker-1")

    assert "ctrl_loss_tmo" not in before
    assert after == before | {"ctrl_loss_tmo": "600", "reconnect_delay": "2"}


async def test_a_volume_that_is_not_there_cannot_be_modified(rig: Rig) -> None:
    status, _ = await error_of(modify(rig, {"ctrlLossTmo": "600"}))

    assert status is Status.NOT_FOUND


async def test_a_password_protects_the_export_and_is_never_logged(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = {"nvmePassword": "correct-horse-battery"}

    await rig.create(parameters={"auth": "dhchap"}, secrets=secrets)
    (disk,) = rig.device.state.disks
    made = disk.properties["nvme-tcp-server-password"]
    await modify(rig, {"auth": "off"})
    lifted = disk.properties["nvme-tcp-server-password"]
    await modify(rig, {"auth": "dhchap"}, secrets={"nvmePassword": "another-password"})

    assert (made, lifted) == ("correct-horse-battery", "")
    assert disk.properties["nvme-tcp-server-password"] == "another-password"
    shown = "".join(capfd.readouterr())
    assert "correct-horse" not in shown
    assert "another-password" not in shown


async def test_a_reader_and_a_writer_do_not_share_a_volume(rig: Rig) -> None:
    reading = mount(Mode.MULTI_NODE_READER_ONLY)
    await rig.create(capability=reading)
    await rig.publish("a", capability=reading)
    await rig.publish("b", capability=reading)

    writing, _ = await error_of(rig.publish("c"))

    assert writing is Status.FAILED_PRECONDITION


async def test_a_volume_is_not_published_to_one_node_for_two_uses(rig: Rig) -> None:
    await rig.create()
    await rig.publish("a")

    status, message = await error_of(rig.publish("a", capability=block()))

    assert status is Status.ALREADY_EXISTS
    assert "attached to a as SINGLE_NODE_WRITER ext4" in message


async def test_a_thin_pool_promises_as_often_as_is_configured_and_no_more(tmp_path: Path) -> None:
    async with open_rig(tmp_path, overcommit=2.0) as rig:
        (pool,) = rig.device.state.pools
        pool.size = 8 * GIB
        await rig.create("pvc-00000000-0000-0000-0000-00000000000a", required=6 * GIB)
        pool.used = 0
        capacity = await rig.controller.get_capacity(csi.GetCapacityRequest())

        status, message = await error_of(rig.create(required=11 * GIB))

        assert capacity.available_capacity == 10 * GIB
        assert status is Status.RESOURCE_EXHAUSTED
        assert "the overcommit is 2" in message
