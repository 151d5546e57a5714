"""What pytest is told by plugins: which tests to run, in which order; and which test runs what."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import Phase, settings

PROFILE = "mutation"
MOST_EXAMPLES = 25
QUIET = (
    *("-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-p", "no:pytest_cov", f"--hypothesis-profile={PROFILE}"),
    # Its plugins are imported already, in the process that forks.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


def register_profile() -> None:
    """Register how hypothesis draws here: always the same, and without making examples small."""
    settings.register_profile(
        PROFILE,
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=MOST_EXAMPLES,
        stateful_step_count=20,
        phases=[Phase.explicit, Phase.generate],
    )


def draw_less(items: list[pytest.Item]) -> None:
    """Lower the number of examples where a test asks for more than the profile gives."""
    for item in items:
        test = getattr(item, "obj", None)
        # Hypothesis has no public way to change the settings of a test that was made.
        asked = getattr(test, "_hypothesis_internal_use_settings", None)
        if asked is not None and asked.max_examples > MOST_EXAMPLES:
            fewer = settings(asked, max_examples=MOST_EXAMPLES)
            test._hypothesis_internal_use_settings = fewer  # type: ignore[union-attr]  # noqa: SLF001
        machine = getattr(item, "cls", None)
        if isinstance(getattr(machine, "settings", None), settings):
            machine.settings = settings(  # type: ignore[union-attr]
                machine.settings,  # type: ignore[union-attr]
                max_examples=MOST_EXAMPLES,
                stateful_step_count=20,
            )


class Recorder:
    """Records which test runs which lines, and for how long."""

    def __init__(self, files: list[Path]) -> None:
        self._coverage = Coverage(
            data_file=None, config_file=False, include=[str(path) for path in files]
        )
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def run(self, paths: list[str]) -> Mapping[str, Mapping[int, list[str]]]:
        """Run tests, and return for each file which tests come to which line.

        A line that runs only at the import has the test "".
        """
        self._coverage.start()
        try:
            pytest.main([*(one for one in QUIET if one != "-x"), *paths], plugins=[self])
        finally:
            self._coverage.stop()
        data = self._coverage.get_data()
        return {path: data.contexts_by_lineno(path) for path in data.measured_files()}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        draw_less(items)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logfinish(self) -> None:
        self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.failed:
            self.failed.append(report.nodeid)


class Chosen:
    """Runs only the tests that were chosen, in their order, and remembers which one failed."""

    def __init__(self, tests: list[str]) -> None:
        self._order = {test: number for number, test in enumerate(tests)}
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._order),
            key=lambda item: self._order[item.nodeid],
        )
        draw_less(items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    def run(self) -> pytest.ExitCode | int:
        """Run the tests, up to the first failure."""
        files = list(dict.fromkeys(test.partition("::")[0] for test in self._order))
        return pytest.main([*QUIET, *files], plugins=[self])
