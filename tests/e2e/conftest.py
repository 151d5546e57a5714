from collections.abc import AsyncIterator, Iterator

import pytest

from libs.kube.client import open_kube
from tests.e2e.shipping import set_up
from tests.e2e.site import Site, own_directory
from tests.e2e.world import World, open_world


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Give all of it, which the tests of a session share."""
    directory = own_directory()
    if directory is None:
        pytest.skip("this takes namespaces and a kubelet: ./dev e2e runs it")
    assembled = Site(directory)
    try:
        assembled.start(set_up)
        yield assembled
    finally:
        assembled.stop()


@pytest.fixture
async def world(site: Site) -> AsyncIterator[World]:
    """Give a namespace; what is in it at the end goes, and then the device has to be empty."""
    async with open_kube(site.cluster.kubeconfig) as kube, open_world(site, kube) as world:
        yield world
