"""The time, from a clock that nobody sets."""

import time

from libs.kube.lease import boot_time


class SteadyClock:
    """Seconds since 1970 as they were at the start, and what has passed since then.

    Setting the machine's clock makes no waiting period pass, and a suspended machine's time counts.
    """

    def __init__(self) -> None:
        self._begin = time.time() - boot_time()

    def now(self) -> float:
        """Return the time."""
        return self._begin + boot_time()
