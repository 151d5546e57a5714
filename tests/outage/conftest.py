from collections.abc import Callable

import pytest

_TABLES = pytest.StashKey[list[str]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Have a text shown when all tests have run."""
    return request.config.stash.setdefault(_TABLES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for table in terminalreporter.config.stash.get(_TABLES, []):
        terminalreporter.section("outage")
        terminalreporter.write_line(table)
