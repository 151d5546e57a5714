"""Options of the safety run: how many sequences, or the one that failed."""

from collections.abc import Sequence

import pytest

SEQUENCES = 20
"""As many as fit into the whole suite; a full run has 1000."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sequences", type=int, default=SEQUENCES, help="how many sequences are tried"
    )
    parser.addoption("--seed", type=int, default=None, help="try this sequence and no other")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    limit = 60 + 2 * config.getoption("--sequences", SEQUENCES)
    for item in items:
        if "sequences" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(limit))


@pytest.fixture
def sequences(request: pytest.FixtureRequest) -> Sequence[int]:
    """The seeds to try; which filesystem a seed has is for the test to know."""
    seed = request.config.getoption("--seed", None)
    count = request.config.getoption("--sequences", SEQUENCES)
    return [seed] if seed is not None else range(count)
