from collections.abc import AsyncIterator, Iterator

import pytest

from libs.kube.client import KubeClient, open_kube
from tests.kube.cluster import Cluster, running_cluster
from tests.kube.shipped import NAMESPACE, SERVICES, set_up
from tests.kube.worlds import need_control_plane


@pytest.fixture(scope="module")
def control_plane() -> Iterator[Cluster]:
    need_control_plane()
    users = {name: f"system:serviceaccount:{NAMESPACE}:rds-csi-{name}" for name in SERVICES}
    with running_cluster(tokens=users) as cluster:
        yield cluster


@pytest.fixture
async def admin(control_plane: Cluster) -> AsyncIterator[KubeClient]:
    """Give an administrator, who has applied what is shipped and made a volume on a node."""
    async with open_kube(control_plane.kubeconfig) as kube:
        if await kube.get(f"/api/v1/namespaces/{NAMESPACE}") is None:
            await set_up(kube)
        yield kube
