"""The parts by themselves: what is read of objects, what is kept, and what is told."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import InUse, InvalidRequest, NotFound, OutcomeUnknown, Unreachable
from libs.kube.client import open_kube
from libs.kube.events import open_events
from services.reconciler.adapters.clock import SteadyClock
from services.reconciler.adapters.cluster import KubeCluster, open_kube_cluster
from services.reconciler.adapters.memory import ConfigMapStore
from services.reconciler.adapters.objects import (
    read_attachment,
    read_content,
    read_node,
    read_volume,
)
from services.reconciler.adapters.telling import Teller
from services.reconciler.findings import Action, ActionKind, Subject
from services.reconciler.memory import Memory
from services.reconciler.model import Node, Ready
from services.reconciler.ports import DeviceLink
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.records import Trigger
from services.reconciler.workflow.triggers import Cause, Reconnects, Triggers
from tests.component.reconciler.rig import DRIVER, FINALIZER, NAMESPACE, Cluster, volume
from tests.fakes.apiserver import ATTACHMENTS, running_api

CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


def named(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": "u", "resourceVersion": "7"}, **fields}


# Objects


def test_a_bare_node_counts_as_not_known_to_be_ready() -> None:
    assert read_node(named("a"), DRIVER) == Node("a", "u", ready=Ready.UNKNOWN)


def test_only_volumes_of_this_driver_count_as_used_by_a_node() -> None:
    in_use = [f"kubernetes.io/csi/{DRIVER}^pvc-1@b", "kubernetes.io/csi/other^pvc-2", "ebs/x"]
    taints = [{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"volumesInUse": in_use, "conditions": [{"type": "DiskPressure"}, ready]}

    node = read_node(named("a", spec={"taints": taints}, status=status), DRIVER)

    assert node.volumes_in_use == {"pvc-1@b"}
    assert node.out_of_service
    assert (node.ready, node.ready_since) == (Ready.NO, 1767225600.0)


def test_an_attachment_of_another_driver_is_left_out() -> None:
    spec = {"attacher": "other", "nodeName": "a", "source": {"persistentVolumeName": "x"}}

    assert read_attachment(named("va", spec=spec), DRIVER) is None


def test_an_inline_volume_brings_its_handle_along() -> None:
    csi = {"driver": DRIVER, "volumeHandle": "pvc-1"}
    spec = {"attacher": DRIVER, "nodeName": "a", "source": {"inlineVolumeSpec": {"csi": csi}}}
    status = {"attached": True, "detachError": {"message": "no"}}

    found = read_attachment(named("va", spec=spec, status=status), DRIVER)

    assert found is not None
    assert (found.volume, found.handle, found.detach_error) == ("", "pvc-1", "no")


@pytest.mark.parametrize(
    ("text", "size"),
    [("1Gi", 2**30), ("1.5Ki", 1536), ("2G", 2 * 10**9), ("5k", 5000), ("7", 7), (None, 0)],
)
def test_the_capacity_of_a_volume_is_in_bytes(text: str | None, size: int) -> None:
    spec = {"capacity": {"storage": text} if text else None, "accessModes": ["ReadOnlyMany"]}

    volume = read_volume(named("pv", spec=spec), DRIVER)

    assert (volume.capacity, volume.read_only, volume.driver) == (size, True, "")


def test_a_snapshot_is_known_by_every_handle_that_it_names() -> None:
    spec = {"driver": DRIVER, "source": {"volumeHandle": "pvc-1"}, "deletionPolicy": "Retain"}

    content = read_content(named("c", spec=spec, status={"snapshotHandle": "snap-1"}))

    assert (content.handles, content.source) == (("snap-1",), "pvc-1")
    assert content.deletion_policy == "Retain"


# Backing off, and what has happened


def test_what_fails_again_and_again_is_left_alone_longer_up_to_a_limit() -> None:
    backoff = Backoff(1.0, 10.0)
    pauses = []
    for _ in range(8):
        backoff.fail("a", "no", 100.0)
        failure = backoff.of("a")
        assert failure is not None
        pauses.append(failure.next_try - 100.0)

    assert 0.8 <= pauses[0] <= 1.2
    assert 1.6 <= pauses[1] <= 2.4
    assert all(8.0 <= pause <= 12.0 for pause in pauses[4:])


def test_a_success_makes_failures_forgotten() -> None:
    backoff = Backoff()
    backoff.fail("a", "no", 0.0)
    backoff.fail("b", "no", 0.0)

    backoff.succeed("a")

    assert (backoff.waits("a", 0.0), backoff.waits("b", 0.0)) == (False, True)
    assert backoff.next_try(leaving_out={"b"}) is None


def test_a_device_has_come_back_when_it_was_away_or_was_connected_anew() -> None:
    reconnects = Reconnects()

    told = [
        reconnects.has_come_back((DeviceLink("rds", is_up=up, reconnects=count),))
        for up, count in [(True, 0), (False, 0), (True, 1), (True, 1), (True, 3)]
    ]

    assert told == [False, False, True, False, True]


async def test_several_events_are_one_pass_which_is_for_the_first() -> None:
    triggers = Triggers(SteadyClock())
    triggers.put(Trigger.NODE)
    triggers.put(Trigger.ATTACHMENT)

    cause = await triggers.take(None)
    nothing = await triggers.take(SteadyClock().now())

    assert cause is not None
    assert cause.trigger is Trigger.NODE
    assert nothing is None


@pytest.mark.parametrize("trigger", [Trigger.START, Trigger.RECONNECT, Trigger.REQUEST])
async def test_what_asks_for_more_is_not_lost_behind_an_event_that_waits(trigger: Trigger) -> None:
    triggers = Triggers(SteadyClock())
    triggers.put(Trigger.NODE)
    since = triggers.waiting and triggers.waiting.since
    triggers.put(trigger)
    triggers.put(Trigger.ATTACHMENT)

    cause = await triggers.take(None)

    assert cause == Cause(trigger, since or 0.0)


# Changes of VolumeAttachments


@contextlib.asynccontextmanager
async def attached(path: Path) -> AsyncIterator[tuple[Cluster, KubeCluster, Action]]:
    """Run a cluster with one attachment; the action is about it, as it is at first."""
    async with running_api(path) as api, open_kube(api.kubeconfig) as kube:
        world = Cluster(api, path)
        await world.node("a")
        name = await world.attach(volume(1), "a")
        metadata = api.objects[ATTACHMENTS][name]["metadata"]
        action = Action(
            ActionKind.DELETE_ATTACHMENT,
            "finding",
            Subject(volume_attachment=name),
            "text",
            "reason",
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            finalizer=FINALIZER,
        )
        async with open_events(kube, "test", "here") as events:
            clock = SteadyClock()
            teller = Teller(events, kube, DRIVER, clock)
            async with open_kube_cluster(kube, DRIVER, clock, teller, 0.1) as cluster:
                yield world, cluster, action


@pytest.mark.parametrize("change", ["delete_attachment", "remove_finalizer"])
async def test_an_attachment_that_is_not_any_more_what_was_seen_is_left_alone(
    tmp_path: Path, change: str
) -> None:
    async with attached(tmp_path) as (world, cluster, action):
        await world.attach(volume(1), "a", attached=False)
        with pytest.raises(InUse):
            await getattr(cluster, change)(action)
        (item,) = world.api.objects[ATTACHMENTS].values()

    assert item["metadata"]["finalizers"] == [FINALIZER]
    assert "deletionTimestamp" not in item["metadata"]


@pytest.mark.parametrize("change", ["delete_attachment", "remove_finalizer"])
async def test_an_attachment_of_the_same_name_that_came_later_is_left_alone(
    tmp_path: Path, change: str
) -> None:
    async with attached(tmp_path) as (world, cluster, action):
        with pytest.raises(InUse):
            await getattr(cluster, change)(replace(action, uid="that of an earlier one"))

    assert world.attached == {(volume(1), "a")}


async def test_an_attachment_that_is_gone_is_not_found(tmp_path: Path) -> None:
    async with attached(tmp_path) as (world, cluster, action):
        await world.api.remove(ATTACHMENTS, action.subject.volume_attachment)
        with pytest.raises(NotFound):
            await cluster.delete_attachment(action)

    assert world.attached == set()


async def test_an_attachment_as_it_was_seen_is_deleted_and_lets_go(tmp_path: Path) -> None:
    async with attached(tmp_path) as (world, cluster, action):
        await cluster.delete_attachment(action)
        ((name, item),) = world.api.objects[ATTACHMENTS].items()
        version = item["metadata"]["resourceVersion"]
        await cluster.remove_finalizer(replace(action, resource_version=version))

    assert name == action.subject.volume_attachment
    assert world.attached == set()


# The memory


async def test_the_memory_is_saved_only_over_what_was_read(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        one, two = (ConfigMapStore(kube, NAMESPACE, "memory", SteadyClock()) for _ in range(2))
        empty, version = await one.load()
        await one.save(Memory(first_seen={"a-1": 5.0}), version)
        with pytest.raises(InUse):
            await two.save(Memory(), version)
        loaded, newer = await two.load()
        await two.save(Memory(first_seen={"a-1": 6.0}), newer)
        with pytest.raises(InUse):
            await one.save(Memory(), newer)
        last, _ = await one.load()

    assert empty == Memory()
    assert loaded.first_seen == {"a-1": 5.0}
    assert last.first_seen == {"a-1": 6.0}


async def test_a_memory_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        store = ConfigMapStore(kube, NAMESPACE, "memory", SteadyClock())
        await api.put(CONFIG_MAPS, {"metadata": {"name": "memory"}, "data": {"memory": "{"}})
        with pytest.raises(InvalidRequest):
            await store.load()
        api.broken = (503, "away")
        with pytest.raises(Unreachable):
            await store.load()

    assert list(api.objects[CONFIG_MAPS]) == ["memory"]


async def test_a_save_whose_answer_is_lost_leaves_open_whether_it_happened(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        store = ConfigMapStore(kube, NAMESPACE, "memory", SteadyClock())
        api.lost = 1
        with pytest.raises(OutcomeUnknown):
            await store.save(Memory(first_seen={"a-1": 5.0}), "")
        loaded, _ = await store.load()

    assert loaded.first_seen == {"a-1": 5.0}
