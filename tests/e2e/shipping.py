"""Applying what is shipped to the cluster of the tests."""

import asyncio

import yaml

from libs.core.errors import RdsCsiError
from libs.kube.client import KubeClient, open_kube
from libs.kube.errors import ObjectExists
from tests.e2e.objects import snapshot_kinds
from tests.e2e.site import Site
from tests.kube.shipped import BASE, DRIVER, NAMESPACE, PATHS

_FILES = (
    "rbac-services.yaml",
    "rbac-sidecars.yaml",
    "csidriver.yaml",
    "storageclasses.yaml",
    "storageclass-kubevirt.yaml",
)
_STORAGE = "/apis/storage.k8s.io/v1"
_SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"
_MORE_PATHS = {
    "CSIDriver": f"{_STORAGE}/csidrivers",
    "StorageClass": f"{_STORAGE}/storageclasses",
    "VolumeSnapshotClass": f"{_SNAPSHOTS}/volumesnapshotclasses",
}
_NEWER = ("VolumeAttributesClass",)
"""Kinds that Kubernetes 1.20 does not have."""

_XFS_FORM = {"csi.storage.k8s.io/fstype": "xfs"}
_XFS = {
    "metadata": {"name": "rds-xfs"},
    "provisioner": DRIVER,
    "allowVolumeExpansion": True,
    "parameters": _XFS_FORM,
}
"""For volumes that grow: a mounted ext4 grows only with CAP_SYS_RESOURCE, which not all have."""

_XFS_SUBVOLUME = {
    **_XFS,
    "metadata": {"name": "rds-xfs-subvolume"},
    "parameters": {**_XFS_FORM, "layout": "subvolume", "volumePath": "/btr/volumes"},
}
_HASTY = {
    "metadata": {"name": "rds-hasty"},
    "provisioner": DRIVER,
    "parameters": {"migrationTimeoutSeconds": "30"},
}
"""For migrations that soon take too long."""

_SERVED_SECONDS = 30.0


async def set_up(site: Site) -> None:
    """Apply what is shipped, and the definitions of snapshots, to a cluster that has nothing."""
    async with open_kube(site.cluster.kubeconfig) as kube:
        await kube.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for kind in snapshot_kinds():
            await kube.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", kind)
        for name in _FILES:
            for item in yaml.safe_load_all((BASE / name).read_text()):
                if item and item["kind"] not in _NEWER:
                    await _apply(kube, (PATHS | _MORE_PATHS)[item["kind"]], item)
        for group in (_XFS, _XFS_SUBVOLUME, _HASTY):
            await kube.create(_MORE_PATHS["StorageClass"], group)


async def _apply(kube: KubeClient, path: str, item: dict[str, object]) -> None:
    """Create something, as soon as the API server knows the kind."""
    async with asyncio.timeout(_SERVED_SECONDS):
        while True:
            try:
                await kube.create(path, item)
            except ObjectExists:
                return
            except RdsCsiError:
                if not path.startswith(_SNAPSHOTS):
                    raise
                await asyncio.sleep(0.2)  # a definition is served a moment later
            else:
                return
