"""What moving over would do to the driver's own objects in a cluster. Pure."""

from collections.abc import Iterator

from rdsctl.preflight.model import Cluster, CsiDriver, Plan, Workload
from rdsctl.preflight.notes import Notes
from rdsctl.words import plural

OURS = CsiDriver(
    attach_required=True, pod_info=False, fs_group_policy="File", modes=("Persistent",)
)
"""What k8s/base/csidriver.yaml says; a test compares them."""

OUR_NAMES = frozenset(
    {("Deployment", "rds-csi", "rds-csi-controller"), ("DaemonSet", "rds-csi", "rds-csi-node")}
)
"""Kind, namespace and name of what k8s/base installs; a test compares them."""


def check_kubernetes(cluster: Cluster, notes: Notes) -> None:
    """Say what the API server has, and what could not be read."""
    notes.begin("kubernetes")
    notes.ok(f"Kubernetes {cluster.version or 'of a version that it does not tell'} answers")
    for why in cluster.unread:
        notes.warn(f"not read: {why}", "let this account list them, or look yourself")
    if not cluster.serves_attributes_classes:
        notes.block(
            "VolumeAttributesClasses are not served (storage.k8s.io/v1, Kubernetes 1.34), and the "
            "sidecars need them",
            "upgrade the cluster first",
        )


def check_driver_object(cluster: Cluster, plan: Plan, notes: Notes) -> None:
    """Say whether the CSIDriver object can become ours."""
    notes.begin("csidriver")
    found = cluster.driver
    if found is None:
        notes.ok(f"there is no CSIDriver {plan.driver} yet")
        return
    if not found.attach_required:
        notes.block(
            f"CSIDriver {plan.driver} has attachRequired: false, so nothing tells which node has "
            "which volume; the new controller goes by VolumeAttachments",
            "the field cannot be changed: stop all pods with volumes of the driver, delete the "
            "CSIDriver, apply k8s/base/csidriver.yaml, and start them again",
        )
    if set(found.modes) != set(OURS.modes):
        notes.block(
            f"CSIDriver {plan.driver} has volumeLifecycleModes {', '.join(found.modes)}, and the "
            f"new driver {', '.join(OURS.modes)} only",
            "the field cannot be changed: end pods with inline volumes, delete the CSIDriver and "
            "apply k8s/base/csidriver.yaml",
        )
    differing = tuple(_soft_differences(found))
    if found.attach_required and set(found.modes) == set(OURS.modes):
        how = f"; {' and '.join(differing)} will be changed in place" if differing else ""
        notes.ok(f"CSIDriver {plan.driver} is there and attaches as the new driver does{how}")


def _soft_differences(found: CsiDriver) -> Iterator[str]:
    if found.pod_info != OURS.pod_info:
        yield "podInfoOnMount"
    if found.fs_group_policy != OURS.fs_group_policy:
        yield "fsGroupPolicy"


def check_workloads(cluster: Cluster, notes: Notes) -> None:
    """Say what runs of the existing driver, and what would get in its way."""
    notes.begin("workloads")
    old = [one for one in cluster.workloads if not one.is_ours]
    for one in old:
        _check_old(one, notes)
    running = [one for one in cluster.workloads if one.kind == "Deployment" and one.replicas]
    if {one.is_ours for one in running} == {True, False}:
        notes.block(
            "two controllers run for one driver name: both would act on the same volumes",
            "scale the old one to 0: "
            + "; ".join(_scale(one) for one in running if not one.is_ours),
            [one.shown for one in running],
        )
    if not cluster.workloads:
        notes.ok("no Deployment or DaemonSet of the driver was found")


def _check_old(one: Workload, notes: Notes) -> None:
    if one.kind == "Deployment":
        state = "is scaled to 0 already" if not one.replicas else "runs now"
        remedy = f"before the new controller starts: {_scale(one)}" if one.replicas else ""
        notes.ok(f"{one.shown}, the existing driver's controller, {state}", remedy)
    else:
        notes.ok(
            f"{one.shown}, the existing driver's node plugin, is on {plural(one.replicas, 'node')}",
            "it goes node by node: docs/moving.md",
        )
    if one.kind == "DaemonSet" and not one.host_network:
        notes.block(
            f"{one.shown} has no hostNetwork: its NVMe/TCP connections are in its pods' network, "
            "and lost with the pods",
            "drain each node before its old pod is removed",
        )
    if (one.kind, one.namespace, one.name) in OUR_NAMES:
        keep = " --cascade=orphan" if one.kind == "DaemonSet" else ""
        notes.warn(
            f"{one.shown} is named like the new driver's, and a selector cannot be changed: "
            "kubectl apply would be refused",
            f"kubectl -n {one.namespace} delete {one.kind.lower()} {one.name}{keep} when its turn "
            "comes (docs/moving.md); keep its manifest for the way back",
        )
    if _removes_orphans(one):
        notes.warn(
            f"{one.shown} removes orphans by itself: on the way back it could take what the new "
            "driver made for orphans",
            "before you go back, give it -orphan-dry-run=true",
        )


def _removes_orphans(one: Workload) -> bool:
    flags = {argument.lstrip("-") for argument in one.arguments}
    begun = flags & {"enable-orphan-reconciler", "enable-orphan-reconciler=true"}
    return bool(begun) and "orphan-dry-run=false" in flags


def _scale(one: Workload) -> str:
    return f"kubectl -n {one.namespace} scale deployment {one.name} --replicas=0"
