"""Run a module, and write where it spends CPU time: `python -m bench.profiled FILE MODULE FLAGS`.

Profiling begins with SIGUSR1, so that imports do not count, and ends with the process. Time is CPU
time: a process that waits spends none.
"""

import contextlib
import cProfile
import pstats
import runpy
import signal
import sys
import threading
import time


class _Profiles:
    """A profile of each thread: Python 3.11 has one profiler a thread."""

    def __init__(self) -> None:
        self._all: list[cProfile.Profile] = []
        self._has_begun = False

    def begin(self, *_: object) -> None:
        """Profile from now on: this thread, which is the first, and the others as they go on."""
        self._has_begun = True
        self._enable()

    def wait(self, *_: object) -> None:
        """Profile this thread as soon as that has begun; called for each event in it till then."""
        if self._has_begun:
            self._enable()

    def _enable(self) -> None:
        profile = cProfile.Profile(time.thread_time)
        with contextlib.suppress(ValueError):  # from Python 3.12 on the first one is for all
            profile.enable()
            self._all.append(profile)

    def save(self, file: str) -> None:
        """Write all of them as one."""
        if self._all:
            pstats.Stats(*self._all).dump_stats(file)


def main() -> None:
    """Run the module with its arguments until it ends."""
    file, module, *flags = sys.argv[1:]
    profiles = _Profiles()
    signal.signal(signal.SIGUSR1, profiles.begin)
    threading.setprofile(profiles.wait)
    sys.argv = [module, *flags]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        threading.setprofile(None)
        profiles.save(file)


if __name__ == "__main__":
    main()
