"""What the tests ask the cluster for."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.images import IMAGE

Item = dict[str, Any]

CLAIM, POD = "persistentvolumeclaims", "pods"


def claim(  # noqa: PLR0913 (each is a word of the claim)
    name: str,
    size: str = "64Mi",
    group: str = "rds",
    *,
    mode: str = "ReadWriteOnce",
    block: bool = False,
    source: Mapping[str, str] | None = None,
) -> Item:
    """Return a PersistentVolumeClaim."""
    spec: Item = {
        "accessModes": [mode],
        "storageClassName": group,
        "volumeMode": "Block" if block else "Filesystem",
        "resources": {"requests": {"storage": size}},
    }
    if source is not None:
        spec["dataSource"] = dict(source)
    return {"metadata": {"name": name}, "spec": spec}


def pod(  # noqa: PLR0913 (each is a word of the pod)
    name: str,
    claim_name: str,
    *,
    node: str = "",
    block: bool = False,
    script: str = "",
    grace: int = 1,
) -> Item:
    """Return a pod that has a volume at /data, or as /dev/volume.

    Args:
        name: its name.
        claim_name: of the volume.
        node: where the scheduler is to put it, or anywhere.
        block: whether it is a raw block volume.
        script: what it does; it waits by default.
        grace: seconds that it has to end; with 0 it is gone at once, whether its node knows or not.
    """
    container: Item = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", script or "exec sleep 2147483"],
    }
    if block:
        container["volumeDevices"] = [{"name": "volume", "devicePath": "/dev/volume"}]
    else:
        container["volumeMounts"] = [{"name": "volume", "mountPath": "/data"}]
    spec: Item = {
        "hostNetwork": True,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "containers": [container],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": claim_name}}],
    }
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"metadata": {"name": name}, "spec": spec}


def snapshot(name: str, claim_name: str) -> Item:
    """Return a VolumeSnapshot of a claim's volume."""
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {"name": name},
        "spec": {
            "volumeSnapshotClassName": "rds",
            "source": {"persistentVolumeClaimName": claim_name},
        },
    }


def snapshot_kinds() -> list[Item]:
    """Return the definitions of the snapshot API's kinds, without its schemas."""
    kinds = {
        "VolumeSnapshot": "Namespaced",
        "VolumeSnapshotContent": "Cluster",
        "VolumeSnapshotClass": "Cluster",
    }
    group = "snapshot.storage.k8s.io"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    found = []
    for kind, scope in kinds.items():
        plural = kind.lower() + ("es" if kind.endswith("s") else "s")
        version: Item = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
        }
        if kind != "VolumeSnapshotClass":
            version["subresources"] = {"status": {}}
        spec = {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        }
        # The API server guards this group's name, and wants to be told where it was approved.
        approved = {"api-approved.kubernetes.io": "unapproved, for tests"}
        metadata = {"name": f"{plural}.{group}", "annotations": approved}
        found.append({"metadata": metadata, "spec": spec})
    return found
