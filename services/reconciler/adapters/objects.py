"""Kubernetes objects as the values that decisions are made of. Pure.

Whatever is missing from an object counts as nothing; what is there and cannot be read raises, and
the listing that it is in is not complete.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from libs.kube.answers import Object
from libs.kube.quantities import parse_quantity
from services.reconciler.model import (
    Node,
    PersistentVolume,
    Ready,
    SnapshotContent,
    VolumeAttachment,
)

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""Kubernetes: the taint by which a person says that a node is off and stays off."""

_IN_USE = "kubernetes.io/csi/{}^"
"""Kubernetes (pkg/volume/csi): how status.volumesInUse names a CSI volume, before its handle."""


def read_node(item: Object, driver: str) -> Node:
    """Read a Node."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    conditions = status.get("conditions") or ()
    ready: Mapping[str, Any] = next((c for c in conditions if c.get("type") == "Ready"), {})
    begin = _IN_USE.format(driver)
    in_use = (str(name) for name in status.get("volumesInUse") or ())
    annotations = metadata.get("annotations") or {}
    return Node(
        name=metadata["name"],
        uid=_text(metadata, "uid"),
        ready=_ready(ready.get("status")),
        ready_since=_moment(ready.get("lastTransitionTime")) or 0.0,
        out_of_service=any(t.get("key") == OUT_OF_SERVICE for t in spec.get("taints") or ()),
        volumes_in_use=frozenset(n.removeprefix(begin) for n in in_use if n.startswith(begin)),
        host_nqn=str(annotations.get(f"{driver}/host-nqn") or ""),
    )


def _ready(status: object) -> Ready:
    return {"True": Ready.YES, "False": Ready.NO}.get(str(status), Ready.UNKNOWN)


def read_attachment(item: Object, driver: str) -> VolumeAttachment | None:
    """Read a VolumeAttachment; None for another driver's."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    if spec.get("attacher") != driver:
        return None
    source = spec.get("source") or {}
    inline = (source.get("inlineVolumeSpec") or {}).get("csi") or {}
    return VolumeAttachment(
        name=metadata["name"],
        uid=_text(metadata, "uid"),
        resource_version=_text(metadata, "resourceVersion"),
        attacher=driver,
        node=_text(spec, "nodeName"),
        volume=_text(source, "persistentVolumeName"),
        handle=_text(inline, "volumeHandle"),
        attached=bool(status.get("attached")),
        created=_moment(metadata.get("creationTimestamp")) or 0.0,
        deleting_since=_moment(metadata.get("deletionTimestamp")),
        finalizers=_texts(metadata, "finalizers"),
        attach_error=_text(status.get("attachError") or {}, "message"),
        detach_error=_text(status.get("detachError") or {}, "message"),
    )


def read_volume(item: Object, driver: str) -> PersistentVolume:
    """Read a PersistentVolume, of whatever driver."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    csi, claim = spec.get("csi") or {}, spec.get("claimRef") or {}
    modes = _texts(spec, "accessModes")
    is_own = csi.get("driver") == driver
    attributes = (csi.get("volumeAttributes") or {}) if is_own else {}
    return PersistentVolume(
        name=metadata["name"],
        uid=_text(metadata, "uid"),
        driver=_text(csi, "driver"),
        handle=_text(csi, "volumeHandle"),
        phase=_text(status, "phase"),
        claim=f"{claim.get('namespace')}/{claim['name']}" if claim.get("name") else "",
        reclaim_policy=_text(spec, "persistentVolumeReclaimPolicy"),
        storage_class=_text(spec, "storageClassName"),
        deleting_since=_moment(metadata.get("deletionTimestamp")),
        read_only=modes == ("ReadOnlyMany",),
        migration_timeout=_seconds(attributes.get("migrationTimeoutSeconds")),
        created=_moment(metadata.get("creationTimestamp")) or 0.0,
        capacity=parse_quantity(_text(spec.get("capacity") or {}, "storage")) or 0,
        access_modes=modes,
        finalizers=_texts(metadata, "finalizers"),
    )


def read_content(item: Object) -> SnapshotContent:
    """Read a VolumeSnapshotContent, of whatever driver."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    source = spec.get("source") or {}
    handles = (source.get("snapshotHandle"), status.get("snapshotHandle"))
    return SnapshotContent(
        name=metadata["name"],
        uid=_text(metadata, "uid"),
        driver=_text(spec, "driver"),
        handles=tuple(dict.fromkeys(str(handle) for handle in handles if handle)),
        source=_text(source, "volumeHandle"),
        deletion_policy=_text(spec, "deletionPolicy") or "Delete",
        deleting_since=_moment(metadata.get("deletionTimestamp")),
    )


def _text(holder: Mapping[str, Any], name: str) -> str:
    return str(holder.get(name) or "")


def _texts(holder: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(value) for value in holder.get(name) or ())


def _moment(text: object) -> float | None:
    return datetime.fromisoformat(str(text)).timestamp() if text else None


def _seconds(text: object) -> float:
    try:
        return float(str(text)) if text else 0.0
    except ValueError:
        return 0.0
