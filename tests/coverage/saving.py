"""A plugin for pytest: a worker writes what it measured before it says that it is done."""

import coverage
import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Save now, in workers, and not when they exit.

    pytest-xdist kills a worker that is not gone ten seconds after its last test, and on a busy
    machine all that it had measured would be lost without a word.
    """
    measuring = coverage.Coverage.current()
    if measuring is not None and hasattr(session.config, "workerinput"):
        measuring.stop()
        measuring.save()
