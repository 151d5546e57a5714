"""What is shipped for the services' rights, and objects for them to be tried on."""

from pathlib import Path
from typing import Any

import yaml

from libs.core.ids import VolumeId
from libs.kube.attachments import attachment_name
from libs.kube.client import KubeClient
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS

BASE = Path(__file__).parents[2] / "k8s" / "base"
NAMESPACE = "rds-csi"
DRIVER = "rds.csi.srvlab.io"
SERVICES = ("controller", "node", "reconciler")
VOLUME = VolumeId.parse("pvc-00000000-0000-0000-0000-000000000001")
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PATHS = {
    "ServiceAccount": f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": f"{RBAC}/namespaces/{NAMESPACE}/roles",
    "RoleBinding": f"{RBAC}/namespaces/{NAMESPACE}/rolebindings",
}


async def set_up(kube: KubeClient) -> None:
    """Apply the roles, and make a volume that a node is to have."""
    await kube.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for item in yaml.safe_load_all((BASE / "rbac-services.yaml").read_text()):
        await kube.create(PATHS[item["kind"]], item)
    await kube.create(NODES, {"metadata": {"name": "worker-1"}})
    spec: dict[str, Any] = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "csi": {"driver": DRIVER, "volumeHandle": VOLUME.text},
    }
    await kube.create(PERSISTENT_VOLUMES, {"metadata": {"name": VOLUME.text}, "spec": spec})
    name = attachment_name(VOLUME.text, DRIVER, "worker-1")
    claim = {
        "attacher": DRIVER,
        "nodeName": "worker-1",
        "source": {"persistentVolumeName": VOLUME.text},
    }
    await kube.create(VOLUME_ATTACHMENTS, {"metadata": {"name": name}, "spec": claim})
