"""Objects for the contract's tests."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from libs.kube.answers import Object
from libs.kube.client import KubeClient

NODES = "/api/v1/nodes"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
VOLUMES = "/api/v1/persistentvolumes"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DRIVER = "rds.csi.srvlab.io"
FINALIZER = "rds-csi.test/held"


def config_map(name: str, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def node(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def lease(name: str, **spec: Any) -> Object:
    api = "coordination.k8s.io/v1"
    return {"apiVersion": api, "kind": "Lease", "metadata": {"name": name}, "spec": spec}


def attachment(name: str) -> Object:
    source = {"persistentVolumeName": "pvc-1"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": name},
        "spec": {"attacher": DRIVER, "nodeName": "worker-1", "source": source},
    }


def volume(name: str, handle: str) -> Object:
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "csi": {"driver": DRIVER, "volumeHandle": handle},
    }
    kind = {"apiVersion": "v1", "kind": "PersistentVolume"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


def definition(group: str) -> Object:
    """Return a definition of VolumeSnapshotContents, as far as its form goes."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
        "subresources": {"status": {}},
    }
    plural = "volumesnapshotcontents"
    spec = {
        "group": group,
        "scope": "Cluster",
        "names": {"plural": plural, "singular": plural[:-1], "kind": "VolumeSnapshotContent"},
        "versions": [version],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": spec,
    }


def version_of(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["resourceVersion"])


async def items(kube: KubeClient, path: str, query: str = "", **options: Any) -> list[Object]:
    return [one async for page in kube.list(path, query=query, **options) for one in page.items]


async def version_now(kube: KubeClient, path: str) -> str:
    """Return the version of a collection, at which a watch can begin."""
    pages = [page async for page in kube.list(path)]
    return pages[-1].version


async def events(
    kube: KubeClient, path: str, version: str, *, seconds: int = 1, **options: Any
) -> AsyncIterator[tuple[str, Object]]:
    """Yield what a short watch tells, but no bookmarks."""
    async for kind, item in kube.watch(path, version, seconds=seconds, **options):
        if kind != "BOOKMARK":
            yield kind, item
