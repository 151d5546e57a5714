"""The services of docker-compose.yml, built and brought up once for all tests that need them."""

import os
from collections.abc import Iterator

import pytest

from tests.compose.stack import IMAGES, Stack, facts, image, inspect

_SWITCH = "RDS_CSI_REQUIRE_COMPOSE"


@pytest.fixture(scope="session")
def built() -> Stack:
    """Have the images, built from this checkout."""
    if os.environ.get(_SWITCH) != "1":
        pytest.skip(f"needs a container engine: ./dev compose-check ({_SWITCH}=1)")
    stack = Stack()
    stack.compose("--profile=simulated", "--profile=demo", "build", "--quiet", limit=600)
    return stack


@pytest.fixture(scope="session")
def stack(built: Stack) -> Iterator[Stack]:
    """Have all services up, and nothing of them afterwards."""
    try:
        built.up()
        yield built
    except BaseException:
        print(built.compose("logs", "--no-color", "--tail=40", check=False))  # noqa: T201
        raise
    finally:
        built.down()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how large each image is, and what is in it."""
    if os.environ.get(_SWITCH) != "1" or not terminalreporter.stats.get("passed"):
        return
    for name in IMAGES:
        size = inspect(name)["Size"] / 1e6
        packages = ", ".join("==".join(one) for one in facts(name)["packages"].items())
        terminalreporter.write_line(f"{image(name)}: {size:.0f} MB: {packages}")
