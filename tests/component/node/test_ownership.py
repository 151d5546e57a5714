"""Whether a volume is this node's is what its own VolumeAttachment says."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import Unreachable
from libs.core.ids import VolumeId
from libs.kube.attachments import attachment_name
from libs.kube.client import open_kube
from libs.kube.paths import VOLUME_ATTACHMENTS
from services.node.adapters.cluster import KubeCluster, open_kube_cluster
from tests.fakes.apiserver import ApiServer, running_api

DRIVER, NODE = "rds.csi.srvlab.io", "worker-1"
VOLUME = VolumeId.parse("pvc-00000000-0000-0000-0000-000000000001")


@contextlib.asynccontextmanager
async def open_world(path: Path) -> AsyncIterator[tuple[ApiServer, KubeCluster]]:
    async with (
        running_api(path) as api,
        open_kube(api.kubeconfig) as kube,
        open_kube_cluster(kube, DRIVER, NODE) as cluster,
    ):
        yield api, cluster


def attachment(node: str = NODE, **metadata: Any) -> dict[str, Any]:
    name = attachment_name(VOLUME.text, DRIVER, node)
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"attacher": DRIVER, "nodeName": node},
        "status": {"attached": True},
    }


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (attachment(uid="one"), "one"),
        (attachment("worker-2"), None),
        (attachment() | {"status": {"attached": False}}, None),
        (attachment() | {"status": {}}, None),
        (attachment(deletionTimestamp="2026-11-21T00:00:00Z"), None),
    ],
    ids=["attached", "to another node", "not attached", "pending", "being detached"],
)
async def test_only_an_attachment_that_holds_makes_a_volume_ours(
    tmp_path: Path, item: dict[str, Any], expected: str | None
) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.put(VOLUME_ATTACHMENTS, item)

        assert await cluster.attachment(VOLUME) == expected


async def test_an_api_that_fails_says_neither_yes_nor_no(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        api.broken = (500, "oops")

        with pytest.raises(Unreachable):
            await cluster.attachment(VOLUME)


def test_an_attachment_has_the_name_that_the_cluster_gives_it() -> None:
    name = attachment_name("vol", "driver", "node")

    # What sha256sum says of "voldrivernode".
    assert name == "csi-4af94228ee9d441e02225497584706bfc975bdb4d2db3571d8c5db2668c1e969"
