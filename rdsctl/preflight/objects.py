"""From Kubernetes' objects, as the API has them, to values. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from libs.kube.quantities import parse_quantity
from rdsctl.preflight.model import (
    Attachment,
    CsiDriver,
    NodeInfo,
    StorageClass,
    Volume,
    Workload,
)

Object = dict[str, Any]

OUR_ENDPOINT = "--csi-endpoint"
"""The flag by which containers of this driver are told from those of another one of its name."""

_CONTROLLER_SIGNS = ("rds-address", OUR_ENDPOINT)
"""What arguments of a controller have: it names no driver in its manifest."""


def read_driver(item: Object | None) -> CsiDriver | None:
    """Read a CSIDriver; what is not said is as the API defaults it."""
    if item is None:
        return None
    spec = item.get("spec") or {}
    return CsiDriver(
        attach_required=spec.get("attachRequired") is not False,
        pod_info=spec.get("podInfoOnMount") is True,
        fs_group_policy=spec.get("fsGroupPolicy") or "ReadWriteOnceWithFSType",
        modes=tuple(spec.get("volumeLifecycleModes") or ["Persistent"]),
    )


def read_volume(item: Object, driver: str) -> Volume | None:
    """Read a PersistentVolume; None for another driver's."""
    spec = item.get("spec") or {}
    csi = spec.get("csi") or {}
    if csi.get("driver") != driver:
        return None
    return Volume(
        name=item["metadata"]["name"],
        handle=str(csi.get("volumeHandle") or ""),
        context={str(k): str(v) for k, v in (csi.get("volumeAttributes") or {}).items()},
        fs_type=csi.get("fsType") or "",
        is_block=spec.get("volumeMode") == "Block",
        access_modes=tuple(spec.get("accessModes") or ()),
        mount_options=tuple(spec.get("mountOptions") or ()),
        size=parse_quantity(str((spec.get("capacity") or {}).get("storage"))),
    )


def read_attachment(item: Object, driver: str) -> Attachment | None:
    """Read a VolumeAttachment; None for another driver's."""
    spec = item.get("spec") or {}
    if spec.get("attacher") != driver:
        return None
    metadata = item["metadata"]
    return Attachment(
        name=metadata["name"],
        volume=(spec.get("source") or {}).get("persistentVolumeName") or "",
        node=spec.get("nodeName") or "",
        attached=bool((item.get("status") or {}).get("attached")),
        is_going=bool(metadata.get("deletionTimestamp")),
    )


def read_class(item: Object, driver: str) -> StorageClass | None:
    """Read a StorageClass; None for another driver's."""
    if item.get("provisioner") != driver:
        return None
    parameters = {str(k): str(v) for k, v in (item.get("parameters") or {}).items()}
    options = tuple(item.get("mountOptions") or ())
    return StorageClass(item["metadata"]["name"], parameters, options)


def read_snapshot(item: Object, driver: str) -> str | None:
    """Return the handle of a VolumeSnapshotContent; None for another driver's, or none yet."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    if spec.get("driver") != driver:
        return None
    given = (spec.get("source") or {}).get("snapshotHandle")
    return status.get("snapshotHandle") or given or None


def read_node(item: Object, driver_ids: dict[str, str]) -> NodeInfo:
    """Read a Node; `driver_ids` has what CSINodes say."""
    name, status = item["metadata"]["name"], item.get("status") or {}
    info = status.get("nodeInfo") or {}
    conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    return NodeInfo(
        name=name,
        kernel=info.get("kernelVersion") or "",
        os=info.get("operatingSystem") or "linux",
        driver_id=driver_ids.get(name, ""),
        is_ready=conditions.get("Ready", "True") == "True",
    )


def read_driver_id(item: Object, driver: str) -> tuple[str, str] | None:
    """Return the name of a CSINode and what the driver calls it; None where it has no such one."""
    for one in (item.get("spec") or {}).get("drivers") or ():
        if one.get("name") == driver:
            return item["metadata"]["name"], str(one.get("nodeID") or "")
    return None


def read_workloads(
    deployments: Iterable[Object], daemon_sets: Iterable[Object], driver: str
) -> tuple[Workload, ...]:
    """Return the workloads of a driver.

    Its DaemonSet has a directory of the kubelet with the driver's name. Its controller names the
    driver nowhere: it is what has a controller's arguments, in a namespace with such a DaemonSet.
    """
    nodes = [item for item in daemon_sets if _names_driver(item, driver)]
    places = {item["metadata"]["namespace"] for item in nodes}
    controllers = [
        item
        for item in deployments
        if _names_driver(item, driver)
        or (item["metadata"]["namespace"] in places and _is_controller(item))
    ]
    return (
        *(_workload("Deployment", item, item["spec"].get("replicas", 1)) for item in controllers),
        *(
            _workload(
                "DaemonSet", item, (item.get("status") or {}).get("currentNumberScheduled", 0)
            )
            for item in nodes
        ),
    )


def _workload(kind: str, item: Object, replicas: int) -> Workload:
    arguments = tuple(_arguments(item))
    return Workload(
        kind=kind,
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        replicas=replicas,
        host_network=bool(_pod(item).get("hostNetwork")),
        is_ours=any(argument.startswith(OUR_ENDPOINT) for argument in arguments),
        arguments=arguments,
    )


def _pod(item: Object) -> Object:
    spec = ((item.get("spec") or {}).get("template") or {}).get("spec")
    return spec if isinstance(spec, dict) else {}


def _arguments(item: Object) -> Iterator[str]:
    for container in _pod(item).get("containers") or ():
        yield from (str(one) for key in ("command", "args") for one in container.get(key) or ())


def _names_driver(item: Object, driver: str) -> bool:
    paths = (
        (one.get("hostPath") or {}).get("path") or "" for one in _pod(item).get("volumes") or ()
    )
    return any(driver in text for text in (*paths, *_arguments(item)))


def _is_controller(item: Object) -> bool:
    return any(sign in argument for argument in _arguments(item) for sign in _CONTROLLER_SIGNS)
