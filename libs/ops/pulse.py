"""How the process itself is: its event loop, memory, CPU time and open files.

A loop that is stuck serves nobody and cannot say so itself: a thread writes where it is stuck.
"""

import asyncio
import contextlib
import mmap
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from libs.ops.metrics import Metrics

log = structlog.get_logger(__name__)

_BEAT_SECONDS = 0.5
_STUCK_SECONDS = 5.0
_LAGS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_PROC = Path("/proc/self")  # proc(5)
_CLOCK_TICKS = 100.0
"""A second in /proc's fields of time: USER_HZ is 100 on every architecture that Linux has today."""


class Pulse:
    """A loop's heart beat, and the thread that listens for it. See `open_pulse`.

    Args:
        metrics: where its lag is counted.
        beat_seconds: between two beats.
        stuck_seconds: without a beat, after which it is said where the loop is.
    """

    def __init__(
        self,
        metrics: Metrics,
        beat_seconds: float = _BEAT_SECONDS,
        stuck_seconds: float = _STUCK_SECONDS,
    ) -> None:
        self._lag = metrics.histogram(
            "event_loop_lag_seconds",
            "How much later than asked for the event loop came back",
            buckets=_LAGS,
        )
        self._stuck = metrics.counter(
            "event_loop_stuck_total", "How often the event loop did not turn for seconds"
        )
        self._beat_seconds = beat_seconds
        self._stuck_seconds = stuck_seconds
        self._last = time.monotonic()
        self._said_of = 0.0
        self._ended = threading.Event()

    async def beat(self) -> None:
        """Beat for ever, and count by how much each beat is late."""
        while True:
            due = time.monotonic() + self._beat_seconds
            await asyncio.sleep(self._beat_seconds)
            self.heard(time.monotonic())
            self._lag.observe(value=max(self._last - due, 0.0))

    def heard(self, now: float) -> None:
        """Take note of a beat at `now`, in seconds of the monotonic clock."""
        self._last = now

    def is_news(self, now: float) -> bool:
        """Return whether the loop is stuck at `now` and nobody was told: True once each time."""
        last = self._last
        if last == self._said_of or now - last <= self._stuck_seconds:
            return False
        self._said_of = last
        return True

    def listen(self, loop_thread: int) -> None:
        """Write where the loop's thread is, once each time that it does not beat."""
        while not self._ended.wait(self._stuck_seconds / 4):
            if self.is_news(time.monotonic()):
                self._say(loop_thread)

    def _say(self, loop_thread: int) -> None:
        self._stuck.add()
        frame = sys._current_frames().get(loop_thread)  # noqa: SLF001 (documented in the manual)
        where = "".join(traceback.format_stack(frame)) if frame else ""
        log.error("the event loop is stuck", seconds=self._stuck_seconds, where=where)

    def end(self) -> None:
        """Have the listening thread end."""
        self._ended.set()


@contextlib.asynccontextmanager
async def open_pulse(
    metrics: Metrics,
    *,
    beat_seconds: float = _BEAT_SECONDS,
    stuck_seconds: float = _STUCK_SECONDS,
) -> AsyncIterator[None]:
    """Show how this process and its event loop are until the block ends."""
    show_process(metrics)
    pulse = Pulse(metrics, beat_seconds, stuck_seconds)
    thread = threading.Thread(
        target=pulse.listen, args=(threading.get_ident(),), name="pulse", daemon=True
    )
    beating = asyncio.create_task(pulse.beat())
    thread.start()
    try:
        yield
    finally:
        pulse.end()
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        await asyncio.to_thread(thread.join, 1.0)


def show_process(metrics: Metrics) -> None:
    """Add what every exporter says of its process, under the names that it has everywhere."""
    metrics.read_counter(
        "process_cpu_seconds_total", "CPU time used", (), lambda: {(): _cpu()}, namespace=""
    )
    metrics.read_gauge(
        "process_resident_memory_bytes", "Memory in use", (), lambda: {(): _memory()}, namespace=""
    )
    metrics.read_gauge(
        "process_open_fds", "Open file descriptors", (), lambda: {(): _files()}, namespace=""
    )
    started = time.time() - max(_age(), 0.0)
    metrics.read_gauge(
        "process_start_time_seconds",
        "When the process was started",
        (),
        lambda: {(): started},
        namespace="",
    )


def _stat() -> list[str]:
    # The second field is the command in parentheses, and may hold anything.
    return (_PROC / "stat").read_text().rpartition(")")[2].split()


def _cpu() -> float:
    fields = _stat()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def _age() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(_stat()[19]) / _CLOCK_TICKS


def _memory() -> float:
    return int((_PROC / "statm").read_text().split()[1]) * float(mmap.PAGESIZE)


def _files() -> float:
    return float(sum(1 for _ in (_PROC / "fd").iterdir()))
