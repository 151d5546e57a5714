"""How many calls ended how."""

from collections import Counter
from collections.abc import Mapping

from grpclib.const import Status


class CallCounts:
    """Counts calls by method and code; an observer of `calls.Calls`."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def finished(self, method: str, code: Status, seconds: float) -> None:  # noqa: ARG002 (fixed)
        """Take note of a call that ended."""
        self._counts[method, code.name] += 1

    def read(self) -> Mapping[tuple[str, str], int]:
        """Return the counts by the path of the method and the name of the code."""
        return dict(self._counts)
