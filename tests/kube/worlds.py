"""API servers to try things on: the stand-in, and a real one where there is one."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from libs.kube.client import KubeClient, open_kube
from libs.mockkube.accounts import Account
from libs.mockkube.testing import TOKEN, ApiServer, running_api
from tests.kube.cluster import KUBECONFIG, REQUIRED, Cluster, is_built, running_cluster

STAND_IN, REAL = "stand-in", "real"
BOTH = [STAND_IN, REAL]

STRANGER = "stranger-token"
"""The token of a user whom RBAC allows nothing."""


@dataclass
class World:
    """An API server, a client of an administrator, and a namespace of the test's own.

    Attributes:
        kube: the client.
        kubeconfig: the file that it was opened with.
        namespace: where nothing is yet.
        mark: begins the names of what the test makes outside of it.
        stand_in: the stand-in, if it is one.
        cluster: the real one, if the tests have started it.
    """

    kube: KubeClient
    kubeconfig: Path
    namespace: str
    stand_in: ApiServer | None = None
    cluster: Cluster | None = None
    mark: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}")

    @property
    def maps(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    @property
    def leases(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    def name(self, text: str = "one") -> str:
        return f"{self.mark}-{text}"

    def kubeconfig_of_stranger(self) -> Path:
        if self.stand_in is not None:
            self.stand_in.mock.accounts = {TOKEN: Account(), STRANGER: Account("stranger", ())}
            path = self.kubeconfig.with_name("stranger")
            path.write_text(self.kubeconfig.read_text().replace(TOKEN, STRANGER))
            return path
        return self._own().kubeconfig_of(STRANGER)

    def _own(self) -> Cluster:
        if self.cluster is None:
            pytest.skip("this takes a cluster that the tests have started")
        return self.cluster

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Have the server be away until the block ends; it knows what happened before."""
        if self.stand_in is not None:
            async with self.stand_in.running.away():
                yield
            return
        cluster = self._own()
        await asyncio.to_thread(cluster.stop_api, at_once=True)
        try:
            yield
        finally:
            await asyncio.to_thread(cluster.start_api)

    async def forget(self) -> None:
        """Have the server start anew, and know nothing of what happened before."""
        if self.stand_in is not None:
            await self.stand_in.restart(forgets=True)
            return
        cluster = self._own()
        await asyncio.to_thread(cluster.compact)
        await asyncio.to_thread(cluster.restart_api)


_MISSING = "this takes a real control plane: ./dev kube builds one, and runs this"

_shared: list[Cluster] = []


def need_control_plane() -> None:
    """Skip the test unless a control plane was asked for; fail where there is none then."""
    if not os.environ.get(REQUIRED):
        pytest.skip(_MISSING)
    if not is_built():
        pytest.fail("no control plane has been built; run .ci/kube-build")


@contextlib.contextmanager
def shared_cluster() -> Iterator[Cluster | None]:
    """Give the cluster that all tests of a session share; None where there is none to be had."""
    if os.environ.get(KUBECONFIG):
        yield None
    elif _shared:
        yield _shared[0]
    elif os.environ.get(REQUIRED):
        need_control_plane()
        with running_cluster(tokens={STRANGER: "stranger"}) as cluster:
            _shared.append(cluster)
            try:
                yield cluster
            finally:
                _shared.clear()
    else:
        yield None


@contextlib.asynccontextmanager
async def stand_in_world(directory: Path) -> AsyncIterator[World]:
    """Open a world on the stand-in."""
    async with (
        running_api(directory, namespaces=("default",)) as api,
        open_kube(api.kubeconfig) as kube,
        _own_namespace(kube) as namespace,
    ):
        yield World(kube, api.kubeconfig, namespace, stand_in=api)


@contextlib.asynccontextmanager
async def real_world(cluster: Cluster | None) -> AsyncIterator[World]:
    """Open a world on the server that the environment names, or on the cluster of the tests."""
    named = os.environ.get(KUBECONFIG)
    if not named and cluster is None:
        pytest.skip("no API server: .ci/kube-build builds one, RDS_TEST_KUBECONFIG names one")
    if named:
        kubeconfig, cluster = Path(named), None
    else:
        assert cluster is not None
        kubeconfig = cluster.kubeconfig
    async with open_kube(kubeconfig) as kube, _own_namespace(kube) as namespace:
        yield World(kube, kubeconfig, namespace, cluster=cluster)


@contextlib.asynccontextmanager
async def _own_namespace(kube: KubeClient) -> AsyncIterator[str]:
    name = f"rdscsitest-{uuid.uuid4().hex[:8]}"
    await kube.create("/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        yield name
    finally:
        await kube.delete(f"/api/v1/namespaces/{name}")
