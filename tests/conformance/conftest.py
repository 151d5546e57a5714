import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conformance.capabilities import use_filesystem
from tests.conformance.lab import Lab
from tests.conformance.needs import missing
from tests.conformance.node_lab import NodeLab
from tests.conformance.options import add_options, read_options
from tests.conformance.plugin import Plugin, open_plugin
from tests.conformance.undo import Undo

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*what): skipped unless the plugin advertises these")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the whole suite in one event loop: the plugin and its channels live as long as it."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def plugin(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Plugin]:
    options = read_options(pytestconfig)
    scratch = tmp_path_factory.mktemp("csi")
    async with contextlib.AsyncExitStack() as stack:
        if not options.endpoint:
            from tests.conformance.own import open_own  # noqa: PLC0415 (a stranger needs none)

            options = await stack.enter_async_context(open_own(scratch, options))
        use_filesystem(options.fs_type)
        yield await stack.enter_async_context(open_plugin(options, scratch))


@pytest.fixture(autouse=True)
def only_what_applies(request: pytest.FixtureRequest, plugin: Plugin) -> None:
    wanted = [need for marker in request.node.iter_markers("needs") for need in marker.args]
    reason = missing(wanted, plugin.there)
    if reason:
        pytest.skip(reason)


@pytest_asyncio.fixture(loop_scope="session")
async def lab(plugin: Plugin) -> AsyncIterator[Lab]:
    undo = Undo()
    yield Lab(plugin, undo)
    await undo.run()


@pytest_asyncio.fixture(loop_scope="session")
async def node(plugin: Plugin) -> AsyncIterator[NodeLab]:
    undo = Undo()
    node = NodeLab(Lab(plugin, undo))
    node.open()
    yield node
    await undo.run()
    node.close()
