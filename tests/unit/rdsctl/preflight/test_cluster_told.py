"""All that is said of a cluster's own objects, word for word."""

import pytest

from rdsctl.preflight.cluster_checks import OURS
from rdsctl.preflight.model import Cluster, CsiDriver, Workload
from tests.unit.rdsctl.preflight.values import told

NAME = "rds.csi.srvlab.io"
APART = "the field cannot be changed: "
IN_ONE_PLACE = f"ok: CSIDriver {NAME} is there and attaches as the new driver does"
NO_ATTACHING = (
    f"blocker: CSIDriver {NAME} has attachRequired: false, so nothing tells which node has which "
    f"volume; the new controller goes by VolumeAttachments | do: {APART}stop all pods with volumes "
    "of the driver, delete the CSIDriver, apply k8s/base/csidriver.yaml, and start them again"
)


def other_modes(*modes: str) -> str:
    return (
        f"blocker: CSIDriver {NAME} has volumeLifecycleModes {', '.join(modes)}, and the new "
        f"driver Persistent only | do: {APART}end pods with inline volumes, delete the CSIDriver "
        "and apply k8s/base/csidriver.yaml"
    )


def test_the_driver_object_that_is_compared_with_is_ours() -> None:
    assert (OURS.attach_required, OURS.pod_info, OURS.fs_group_policy, OURS.modes) == (
        True,
        False,
        "File",
        ("Persistent",),
    )


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (
            Cluster(),
            ["ok: Kubernetes of a version that it does not tell answers"],
        ),
        (
            Cluster(version="1.34", unread=("nodes: forbidden",), serves_attributes_classes=False),
            [
                "ok: Kubernetes 1.34 answers",
                (
                    "warning: not read: nodes: forbidden"
                    " | do: let this account list them, or look yourself"
                ),
                (
                    "blocker: VolumeAttributesClasses are not served (storage.k8s.io/v1, "
                    "Kubernetes 1.34), and the sidecars need them | do: upgrade the cluster first"
                ),
            ],
        ),
    ],
)
def test_what_answers_and_what_could_not_be_read_is_told(cluster: Cluster, said: list[str]) -> None:
    assert told("kubernetes", cluster) == said


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (None, [f"ok: there is no CSIDriver {NAME} yet"]),
        (CsiDriver(fs_group_policy="File"), [IN_ONE_PLACE]),
        (
            CsiDriver(pod_info=True, fs_group_policy="File"),
            [f"{IN_ONE_PLACE}; podInfoOnMount will be changed in place"],
        ),
        (
            CsiDriver(pod_info=True, fs_group_policy="None"),
            [f"{IN_ONE_PLACE}; podInfoOnMount and fsGroupPolicy will be changed in place"],
        ),
        (CsiDriver(attach_required=False), [NO_ATTACHING]),
        (CsiDriver(modes=("Ephemeral",)), [other_modes("Ephemeral")]),
        (
            CsiDriver(attach_required=False, modes=("Persistent", "Ephemeral")),
            [NO_ATTACHING, other_modes("Persistent", "Ephemeral")],
        ),
    ],
)
def test_the_driver_object_is_told_with_what_would_be_changed(
    driver: CsiDriver | None, said: list[str]
) -> None:
    assert told("csidriver", Cluster(driver=driver)) == said


# Workloads

CONTROLLER = "Deployment old/boss, the existing driver's controller, "
SCALE = "kubectl -n old scale deployment boss --replicas=0"
RUNS = f"ok: {CONTROLLER}runs now | do: before the new controller starts: {SCALE}"
ORPHANS = (
    "warning: Deployment old/boss removes orphans by itself: on the way back it could take what "
    "the new driver made for orphans | do: before you go back, give it -orphan-dry-run=true"
)
PLUGIN = "the existing driver's node plugin, is on"
NODE_BY_NODE = " | do: it goes node by node: docs/moving.md"
NEW = Workload("Deployment", "rds-csi", "rds-csi-controller", is_ours=True)


def named_alike(kind: str, name: str, *, keep: str = "") -> str:
    return (
        f"warning: {kind} rds-csi/{name} is named like the new driver's, and a selector cannot be "
        f"changed: kubectl apply would be refused | do: kubectl -n rds-csi delete {kind.lower()} "
        f"{name}{keep} when its turn comes (docs/moving.md); keep its manifest for the way back"
    )


@pytest.mark.parametrize(
    ("workloads", "said"),
    [
        ((), ["ok: no Deployment or DaemonSet of the driver was found"]),
        ((NEW,), []),
        ((Workload("Deployment", "old", "boss", host_network=False),), [RUNS]),
        (
            (Workload("Deployment", "old", "boss", 0), NEW),
            [f"ok: {CONTROLLER}is scaled to 0 already"],
        ),
        (
            (Workload("DaemonSet", "old", "node", 1, host_network=False),),
            [
                f"ok: DaemonSet old/node, {PLUGIN} 1 node{NODE_BY_NODE}",
                (
                    "blocker: DaemonSet old/node has no hostNetwork: its NVMe/TCP connections are "
                    "in its pods' network, and lost with the pods"
                    " | do: drain each node before its old pod is removed"
                ),
            ],
        ),
        (
            (Workload("DaemonSet", "rds-csi", "rds-csi-node", 3),),
            [
                f"ok: DaemonSet rds-csi/rds-csi-node, {PLUGIN} 3 nodes{NODE_BY_NODE}",
                named_alike("DaemonSet", "rds-csi-node", keep=" --cascade=orphan"),
            ],
        ),
        (
            (Workload("Deployment", "rds-csi", "rds-csi-controller", 0),),
            [
                (
                    "ok: Deployment rds-csi/rds-csi-controller, the existing driver's controller, "
                    "is scaled to 0 already"
                ),
                named_alike("Deployment", "rds-csi-controller"),
            ],
        ),
        (
            (
                Workload("Deployment", "old", "boss"),
                NEW,
                Workload("Deployment", "old", "boss2"),
                Workload("DaemonSet", "rds-csi", "rds-csi-node", is_ours=True),
            ),
            [
                RUNS,
                RUNS.replace("boss", "boss2"),
                (
                    "blocker: two controllers run for one driver name: both would act on the same "
                    f"volumes | do: scale the old one to 0: {SCALE}; "
                    f"{SCALE.replace('boss', 'boss2')} | of: Deployment old/boss, Deployment "
                    "rds-csi/rds-csi-controller, Deployment old/boss2"
                ),
            ],
        ),
        (
            (NEW, Workload("DaemonSet", "old", "node", 2)),
            [f"ok: DaemonSet old/node, {PLUGIN} 2 nodes{NODE_BY_NODE}"],
        ),
    ],
)
def test_what_runs_is_told_with_what_to_do_about_it(
    workloads: tuple[Workload, ...], said: list[str]
) -> None:
    assert told("workloads", Cluster(workloads=workloads)) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-enable-orphan-reconciler", "-orphan-dry-run=false"), [ORPHANS]),
        (("--enable-orphan-reconciler=true", "--orphan-dry-run=false"), [ORPHANS]),
        (("-enable-orphan-reconciler",), []),
        (("-enable-orphan-reconciler=false", "-orphan-dry-run=false"), []),
        (("-orphan-dry-run=false",), []),
        (("-X-enable-orphan-reconciler", "-orphan-dry-run=false"), []),
    ],
)
def test_an_old_controller_removes_orphans_only_where_it_is_told_to(
    arguments: tuple[str, ...], said: list[str]
) -> None:
    old = Workload("Deployment", "old", "boss", arguments=arguments)

    assert told("workloads", Cluster(workloads=(old,))) == [RUNS, *said]
