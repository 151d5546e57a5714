"""The controller in a cluster, whose VolumeAttachments say who has what."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError
from grpclib.const import Status

from libs.mockrds.faults import Action, Fault
from protos.gen.csi import v1 as csi
from services.controller.plan.attach import NOBODY
from tests.component.controller.rig import NAME, Mode, Rig, block, error_of, open_rig
from tests.fakes.apiserver import ATTACHMENTS, NODES, VOLUMES, ApiServer, running_api
from tests.waiting import PATIENCE

DRIVER = "rds.csi.srvlab.io"
SHARED = block(Mode.MULTI_NODE_MULTI_WRITER)
HOST = "nqn.2014-08.org.nvmexpress:uuid:{}"


@dataclass
class InCluster:
    rig: Rig
    api: ApiServer

    async def claim(self, node: str, seconds_ago: float = 0, *, attached: bool = False) -> None:
        created = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        stamp = created.isoformat(timespec="seconds").replace("+00:00", "Z")
        await self.api.attach(NAME, node, DRIVER, attached=attached, created=stamp)

    async def publish(self, node: str, **fields: Any) -> dict[str, str]:
        """Publish as external-attacher does: the claim is there before, the mark comes after."""
        if f"csi-{NAME}-{node}" not in self.api.objects[ATTACHMENTS]:
            await self.claim(node)
        context = await self.rig.publish(node, **fields)
        await self.claim(node, attached=True)
        return context


async def status_of(call: Awaitable[object]) -> Status:
    try:
        await call
    except GRPCError as error:
        return error.status
    return Status.OK


@contextlib.asynccontextmanager
async def open_in_cluster(
    path: Path, *objects: tuple[str, dict[str, Any]], **changes: Any
) -> AsyncIterator[InCluster]:
    """Start a controller in a cluster that has these objects, each with its path, beside others."""
    async with running_api(path) as api:
        for name in ("a", "b", "c"):
            annotations = {f"{DRIVER}/host-nqn": HOST.format(name)}
            await api.put(NODES, {"metadata": {"name": name, "annotations": annotations}})
        spec = {"csi": {"driver": DRIVER, "volumeHandle": NAME}}
        await api.put(VOLUMES, {"metadata": {"name": NAME}, "spec": spec})
        for place, item in objects:
            await api.put(place, item)
        settings = {"attachments": "cluster", "kubeconfig": api.kubeconfig, **changes}
        async with open_rig(path, None, **settings) as rig:
            await rig.create(capability=SHARED)
            yield InCluster(rig, api)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    async with open_in_cluster(tmp_path) as there:
        yield there


async def test_a_volume_moves_when_its_node_has_let_go_though_the_old_claim_is_still_there(
    there: InCluster,
) -> None:
    await there.publish("a")
    await there.claim("b")

    refused, message = await error_of(there.rig.publish("b"))
    await there.rig.unpublish("a")
    await there.publish("b")

    assert refused is Status.FAILED_PRECONDITION
    assert "is attached to a" in message


async def test_a_node_that_was_deleted_holds_nothing_up(there: InCluster) -> None:
    await there.publish("a")
    await there.claim("b")
    held_up = await status_of(there.rig.publish("b"))
    before = held_up

    await there.api.remove(NODES, "a")
    async with asyncio.timeout(PATIENCE):
        while held_up is Status.FAILED_PRECONDITION:  # until the watch has told of it
            held_up = await status_of(there.publish("b"))

    assert (before, held_up) == (Status.FAILED_PRECONDITION, Status.OK)


async def test_publishing_to_a_node_that_there_is_not_is_not_found(there: InCluster) -> None:
    await there.claim("z")

    status, message = await error_of(there.rig.publish("z"))

    assert (status, message) == (Status.NOT_FOUND, "node z does not exist")


async def test_a_migration_has_its_time_and_a_restart_does_not_give_it_more(
    tmp_path: Path,
) -> None:
    async with open_in_cluster(tmp_path) as there:
        await there.publish("a", capability=SHARED)
        await there.claim("b", seconds_ago=400)

        late, message = await error_of(there.rig.publish("b", capability=SHARED))
        await there.api.detach(NAME, "b")
        context = await there.publish("b", capability=SHARED)
        third, _ = await error_of(there.publish("c", capability=SHARED))

        assert late is Status.FAILED_PRECONDITION
        assert "more than migrationTimeoutSeconds (300); end it by deleting the pod" in message
        assert context["nvme_nqn"].endswith(NAME)
        assert third is Status.FAILED_PRECONDITION


async def test_a_volume_is_not_deleted_while_a_claim_says_that_a_node_has_it(
    there: InCluster,
) -> None:
    await there.publish("a")

    status, message = await error_of(there.rig.delete())
    await there.rig.unpublish("a")
    await there.api.detach(NAME, "a")
    await there.rig.delete()

    assert status is Status.FAILED_PRECONDITION
    assert "attached to a" in message
    assert there.rig.device.slots == []


async def test_fencing_takes_the_host_nqn_from_the_node(tmp_path: Path) -> None:
    async with open_in_cluster(
        tmp_path, fencing=True, fencing_two_hosts="list", handover_seconds=0.0
    ) as there:
        await there.rig.delete()
        await there.rig.create(parameters={"fencing": "host"}, capability=SHARED)
        (disk,) = there.rig.device.state.disks
        name = "nvme-tcp-server-allow-host-name"

        await there.publish("a", capability=SHARED)
        await there.publish("b", capability=SHARED)
        both = disk.properties[name]
        await there.api.remove(NODES, "a")
        there.rig.device.faults.add(Fault(Action.DROP_AFTER, name))
        lost = await status_of(there.rig.unpublish("a"))
        await there.rig.unpublish("a")
        one = disk.properties[name]
        await there.api.detach(NAME, "a")
        await there.rig.unpublish("b")

        assert both == f"{HOST.format('a')},{HOST.format('b')}"
        assert lost is Status.UNAVAILABLE
        assert one == HOST.format("b")
        assert disk.properties[name] == NOBODY


async def test_a_holder_whose_host_nqn_is_missing_is_not_shut_out(tmp_path: Path) -> None:
    async with open_in_cluster(tmp_path, fencing=True, fencing_two_hosts="list") as there:
        await there.rig.delete()
        await there.rig.create(parameters={"fencing": "host"}, capability=SHARED)
        await there.publish("a", capability=SHARED)
        await there.api.put(NODES, {"metadata": {"name": "a"}})
        (disk,) = there.rig.device.state.disks

        async with asyncio.timeout(PATIENCE):
            while True:
                status, message = await error_of(there.publish("b", capability=SHARED))
                if "node a has not said its host NQN" in message:  # the watch has told of it
                    break

        assert status is Status.FAILED_PRECONDITION
        assert HOST.format("a") in str(disk.properties["nvme-tcp-server-allow-host-name"])


async def test_a_claim_that_is_published_again_counts_again(there: InCluster) -> None:
    await there.publish("a")
    await there.rig.unpublish("a")
    await there.rig.publish("a")
    await there.claim("b")

    status, _ = await error_of(there.rig.publish("b"))

    assert status is Status.FAILED_PRECONDITION


async def test_a_static_volume_that_the_watch_has_not_told_of_is_not_given_out_twice(
    there: InCluster,
) -> None:
    there.api.frozen.add(VOLUMES)
    await there.api.remove(VOLUMES, NAME)
    spec = {"csi": {"driver": DRIVER, "volumeHandle": NAME}}
    await there.api.put(VOLUMES, {"metadata": {"name": "data"}, "spec": spec})
    for node in ("a", "b"):
        created = f"2026-01-01T00:00:0{ord(node) - ord('a')}Z"
        await there.api.attach("data", node, DRIVER, attached=False, created=created)

    await there.rig.publish("a")
    second, _ = await error_of(there.rig.publish("b"))
    deleting, _ = await error_of(there.rig.delete())

    assert second is deleting is Status.FAILED_PRECONDITION


async def test_calls_for_the_volumes_of_one_machine_go_one_at_a_time(tmp_path: Path) -> None:
    other = "pvc-00000000-0000-0000-0000-000000000002"
    disks = [{"persistentVolumeClaim": {"claimName": name}} for name in ("one", "two")]
    owner = {"kind": "VirtualMachineInstance", "name": "web"}
    labels = {"kubevirt.io": "virt-launcher"}
    metadata = {"name": "p", "labels": labels, "ownerReferences": [owner]}
    pod = {"metadata": metadata, "spec": {"volumes": disks}}
    objects = [("/api/v1/namespaces/vms/pods", pod)]
    for handle, name in ((other, "two"), (NAME, "one")):
        csi = {"driver": DRIVER, "volumeHandle": handle}
        spec = {"csi": csi, "claimRef": {"namespace": "vms", "name": name}}
        objects.append((VOLUMES, {"metadata": {"name": handle}, "spec": spec}))
    async with open_in_cluster(tmp_path, *objects, serialize_machines=True) as there:
        await there.rig.create(other)
        for handle in (NAME, other):
            await there.api.attach(handle, "a", DRIVER, attached=False)
        there.rig.device.faults.add(Fault(Action.HANG, NAME))

        first = asyncio.create_task(there.rig.publish("a"))
        async with asyncio.timeout(PATIENCE):
            while there.rig.device.faults.waiting:  # noqa: ASYNC110 (it is in another task)
                await asyncio.sleep(0.01)
        status, message = await error_of(there.rig.publish("a", other))
        await there.rig.device.restart()
        await asyncio.wait({first})

        assert status is Status.ABORTED
        assert "machine vms/web" in message
        await there.rig.publish("a", other)


async def test_authentication_is_asked_of_nodes_only_where_the_volume_tells_them_of_it(
    tmp_path: Path,
) -> None:
    told = "pvc-00000000-0000-0000-0000-000000000002"
    unknown = "pvc-00000000-0000-0000-0000-000000000003"
    source = {"driver": DRIVER, "volumeHandle": told, "volumeAttributes": {"auth": "dhchap"}}
    volume = {"metadata": {"name": told}, "spec": {"csi": source}}
    async with open_in_cluster(tmp_path, (VOLUMES, volume)) as there:
        for name in (told, unknown):
            await there.rig.create(name)

        status, message = await error_of(ask_for_secret(there.rig, NAME))
        not_known = await status_of(ask_for_secret(there.rig, unknown))
        await ask_for_secret(there.rig, told)

        passwords = {
            disk.properties["slot"]: disk.properties.get("nvme-tcp-server-password", "")
            for disk in there.rig.device.state.disks
        }
    assert status is Status.INVALID_ARGUMENT
    assert message.startswith(f"mutable_parameters.auth cannot be dhchap for volume {NAME}")
    assert not_known is Status.UNAVAILABLE
    assert passwords == {NAME: "", unknown: "", told: "correct-horse"}


async def ask_for_secret(rig: Rig, volume: str) -> None:
    await rig.controller.controller_modify_volume(
        csi.ControllerModifyVolumeRequest(
            volume_id=volume,
            mutable_parameters={"auth": "dhchap"},
            secrets={"nvmePassword": "correct-horse"},
        )
    )
