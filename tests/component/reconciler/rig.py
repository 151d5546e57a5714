"""A cluster, a controller that can fail, and replicas of the reconciler, over real sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from libs.csikit.channel import open_admin_channel
from libs.kube.attachments import attachment_name
from protos.gen.rdscsi.reconciler import v1 as api_v1
from services.reconciler.app import Running, open_reconciler
from services.reconciler.config import ReconcilerSettings
from tests.component.reconciler.fake_controller import FakeController, running_controller
from tests.fakes.apiserver import ATTACHMENTS, NODES, VOLUMES, ApiServer, running_api
from tests.waiting import PATIENCE, eventually

DRIVER = "rds.csi.srvlab.io"
FINALIZER = "external-attacher/rds-csi-srvlab-io"
HOST = "nqn.2014-08.org.nvmexpress:uuid:{}"
NAMESPACE = "kube-system"


def volume(number: int) -> str:
    return f"pvc-00000000-0000-0000-0000-{number:012d}"


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Cluster:
    """What a cluster has, and what happens to it.

    Attributes:
        api: the API server.
        path: a directory for sockets.
    """

    api: ApiServer
    path: Path

    async def node(
        self,
        name: str,
        *,
        ready: bool = True,
        out_of_service: bool = False,
        in_use: Iterable[str] = (),
    ) -> None:
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
        condition = {
            "type": "Ready",
            "status": "True" if ready else "Unknown",
            # With fractions, since nodes live fast here.
            "lastTransitionTime": datetime.now(UTC).isoformat(),
        }
        await self.api.put(
            NODES,
            {
                "metadata": {
                    "name": name,
                    "annotations": {f"{DRIVER}/host-nqn": HOST.format(name)},
                },
                "spec": {"taints": [taint] if out_of_service else []},
                "status": {
                    "conditions": [condition],
                    "volumesInUse": [f"kubernetes.io/csi/{DRIVER}^{handle}" for handle in in_use],
                },
            },
        )

    async def delete_node(self, name: str) -> None:
        await self.api.remove(NODES, name)

    async def persist(self, name: str) -> None:
        spec = {
            "csi": {"driver": DRIVER, "volumeHandle": name},
            "claimRef": {"namespace": "default", "name": f"claim-of-{name}"},
            "persistentVolumeReclaimPolicy": "Delete",
        }
        item = {"metadata": {"name": name}, "spec": spec, "status": {"phase": "Bound"}}
        await self.api.put(VOLUMES, item)

    async def attach(self, name: str, node: str, *, attached: bool = True) -> str:
        """Add a VolumeAttachment as Kubernetes does, and return its name."""
        known = attachment_name(name, DRIVER, node)
        item = {
            "metadata": {"name": known, "finalizers": [FINALIZER], "creationTimestamp": stamp()},
            "spec": {
                "attacher": DRIVER,
                "nodeName": node,
                "source": {"persistentVolumeName": name},
            },
            "status": {"attached": attached},
        }
        await self.api.put(ATTACHMENTS, item)
        return known

    @property
    def attached(self) -> set[tuple[str, str]]:
        """Volume and node of each VolumeAttachment."""
        specs = [item["spec"] for item in self.api.objects[ATTACHMENTS].values()]
        return {(s["source"]["persistentVolumeName"], s["nodeName"]) for s in specs}

    @property
    def lease(self) -> dict[str, Any]:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
        leases = self.api.objects.get(path, {})
        return dict(leases["rds-csi-reconciler"]["spec"]) if leases else {}

    @property
    def holder(self) -> str:
        return str(self.lease.get("holderIdentity") or "")

    @property
    def memory(self) -> dict[str, Any]:
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
        items = self.api.objects.get(path, {})
        return dict(json.loads(items["rds-csi-reconciler-memory"]["data"]["memory"]))

    def told(self, reason: str) -> list[dict[str, Any]]:
        """Return the events with a reason."""
        return [event for event in self.api.events() if event["reason"] == reason]

    def reasons(self) -> list[str]:
        return [str(event["reason"]) for event in self.api.events()]


@dataclass
class Replica:
    """A running reconciler, and its admin API."""

    running: Running
    stub: api_v1.ReconcilerAdminStub

    async def status(self) -> api_v1.GetStatusResponse:
        return await self.stub.get_status(api_v1.GetStatusRequest())

    async def leads(self) -> bool:
        return (await self.status()).is_leader

    async def findings(self, *states: api_v1.FindingState) -> list[api_v1.Finding]:
        request = api_v1.ListFindingsRequest(states=list(states))
        return (await self.stub.list_findings(request)).findings

    async def kinds(self) -> set[str]:
        return {finding.kind.name or "" for finding in await self.findings()}

    async def run_pass(self, *, dry_run: bool = False) -> api_v1.RunPassResponse:
        return await self.stub.run_pass(api_v1.RunPassRequest(dry_run=dry_run))


@dataclass
class World(Cluster):
    """A cluster, and a controller that fails when it is told to."""

    controller: FakeController
    count: int = 0

    @contextlib.asynccontextmanager
    async def replica(self, *, leads: bool = True, **changes: Any) -> AsyncIterator[Replica]:
        """Run one; unless it need not lead, wait until it does."""
        self.count += 1
        settings = settings_for(self.path, self.count, self.api, **changes)
        async with running_replica(settings) as replica:
            if leads:
                await eventually(replica.leads)
            yield replica

    async def attached_volumes(self, node: str, *numbers: int) -> list[str]:
        """Add volumes that a node has; return their names."""
        names = [volume(number) for number in numbers]
        for name in names:
            self.controller.volumes.append(name)
            await self.persist(name)
            await self.attach(name, node)
        return names


def settings_for(path: Path, number: int, api: ApiServer, **changes: Any) -> ReconcilerSettings:
    fields: dict[str, Any] = {
        "controller_endpoint": path / "admin.sock",
        "admin_endpoint": path / f"reconciler-{number}.sock",
        "kubeconfig": api.kubeconfig,
        "namespace": NAMESPACE,
        "lease_seconds": 20.0,  # whoever leads goes on, though the machine stands still for a while
        "lease_deadline": 15.0,
        "lease_retry": 0.2,
        "interval": 3600.0,
        "debounce": 0.1,
        "backoff_first": 0.2,
        "backoff_longest": 1.0,
        "node_gone": 0.0,
        "not_ready": 0.5,
        "stuck": 0.2,
        "fencing_grace": 0.2,
        "half_state": 0.0,
        "drain_seconds": 0.5,
    }
    return ReconcilerSettings(**{**fields, **changes})


@contextlib.asynccontextmanager
async def running_replica(settings: ReconcilerSettings) -> AsyncIterator[Replica]:
    assert isinstance(settings.admin_endpoint, Path)
    async with (
        open_reconciler(settings, {"HOSTNAME": settings.admin_endpoint.stem}) as running,
        open_admin_channel(settings.admin_endpoint) as channel,
    ):
        yield Replica(running, api_v1.ReconcilerAdminStub(channel, timeout=20))


@contextlib.asynccontextmanager
async def open_world(path: Path) -> AsyncIterator[World]:
    async with running_api(path) as api:
        fake = FakeController(api)
        world = World(api, path, fake)
        for name in ("a", "b", "c", "d"):
            await world.node(name)
        async with running_controller(fake, path / "admin.sock"):
            yield world


async def scrape(replica: Replica) -> str:
    """Return what Prometheus would get."""
    assert replica.running.metrics is not None
    host, port = replica.running.metrics
    async with (
        asyncio.timeout(PATIENCE),
        aiohttp.ClientSession() as session,
        session.get(f"http://{host}:{port}/metrics") as response,
    ):
        return await response.text()
