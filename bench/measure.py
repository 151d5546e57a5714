"""Rows of a benchmark: what was done, how fast, and what it cost."""

import asyncio
import dataclasses
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.growth import Growth, Point


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        name: what was done.
        callers: how many did it at once.
        latency_ms: how long the simulated device takes for an exec.
        ops_per_s: operations per second, over all callers.
        p50_ms: half of the operations took no longer.
        p95_ms: nineteen of twenty took no longer.
        p99_ms: ninety-nine of a hundred took no longer.
        round_trips_per_op: execs on the device for one operation.
        rss_mib: most memory that the measured process has had resident so far.
        total_s: all operations together.
        cpu_s_per_op: CPU time of the measured process for one operation, without its children.
        note: what else there is to say.
        target: whether it keeps to what was promised; empty where nothing was.
        point: what it says of growth.
        growth: what several rows together say of it.
    """

    name: str
    callers: int
    latency_ms: float
    ops_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    round_trips_per_op: float
    rss_mib: float
    total_s: float
    cpu_s_per_op: float = 0.0
    note: str = ""
    target: str = ""
    point: Point | None = None
    growth: Growth | None = None

    def as_json(self) -> dict[str, object]:
        """Return the row for a file."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Load:
    """How much to do: `count` operations by `callers` at once, at a latency in milliseconds."""

    callers: int
    latency_ms: float
    count: int


Operation = Callable[[int], Awaitable[object]]


async def measure(
    name: str,
    load: Load,
    operation: Operation,
    round_trips: Callable[[], int],
    cpu: Callable[[], float] = time.process_time,
) -> Row:
    """Do the operations 0 to count - 1, each once, and return what it took.

    Args:
        name: what is done.
        load: how often, and by how many at once.
        operation: does it once.
        round_trips: says how many there have been so far.
        cpu: says how many seconds of CPU time the measured process has taken so far.
    """
    numbers = iter(range(load.count))
    times: list[float] = []

    async def caller() -> None:
        for number in numbers:
            started = time.perf_counter()
            await operation(number)
            times.append(time.perf_counter() - started)

    before, used, started = round_trips(), cpu(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(load.callers)))
    total = time.perf_counter() - started
    spent = (cpu() - used) / load.count
    measured = row(name, load, times, total, (round_trips() - before) / load.count)
    return dataclasses.replace(measured, cpu_s_per_op=round(spent, 6))


def row(  # noqa: PLR0913, PLR0917 (the columns of a row)
    name: str, load: Load, times: list[float], total: float, trips: float, note: str = ""
) -> Row:
    """Return the row for operations that took these times, in seconds."""
    times = sorted(times)

    def percentile(share: float) -> float:
        return round(times[min(int(len(times) * share), len(times) - 1)] * 1000, 2)

    return Row(
        name=name,
        callers=load.callers,
        latency_ms=load.latency_ms,
        ops_per_s=round(len(times) / total, 1),
        p50_ms=percentile(0.50),
        p95_ms=percentile(0.95),
        p99_ms=percentile(0.99),
        round_trips_per_op=round(trips, 3),
        rss_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        total_s=round(total, 3),
        note=note,
    )


def empty_row(name: str) -> Row:
    """Return a row that has nothing but what its maker adds."""
    return Row(name, 1, 0, 0, 0, 0, 0, 0, 0, 0)


async def longest_hold(work: Awaitable[object]) -> float:
    """Await something, and return the longest time in seconds that the event loop stood still."""
    longest = 0.0
    done = asyncio.Event()

    async def tick() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not done.is_set():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        await work
    finally:
        done.set()
        await ticker
    return longest
