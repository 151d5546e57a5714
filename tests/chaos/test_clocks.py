"""That a process's clock is the one that was set, while it runs."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.chaos.clocks import COMPILER, build_library, environment, set_clock

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc)")

TELL = """
import datetime, sys, time
for _ in sys.stdin:
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    print(time.time(), now, time.monotonic(), flush=True)
"""


async def test_a_clock_is_set_while_its_process_runs(tmp_path: Path) -> None:
    library, clock = await build_library(tmp_path), tmp_path / "one.clock"
    set_clock(clock, 0)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TELL),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment(library, clock)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    seen = []
    for offset in (0, 10_000, -10_000):
        set_clock(clock, offset)
        process.stdin.write(b"\n")
        seen.append([float(word) for word in (await process.stdout.readline()).split()])
    process.stdin.close()
    await process.wait()

    (time, date, monotonic), (time2, date2, _), (time3, date3, monotonic3) = seen
    assert time2 - time == pytest.approx(10_000, abs=1_000)
    assert date2 - date == pytest.approx(10_000, abs=1_000)
    assert time3 - time == pytest.approx(-10_000, abs=1_000)
    assert date3 - date == pytest.approx(-10_000, abs=1_000)
    assert 0 <= monotonic3 - monotonic < 1_000
