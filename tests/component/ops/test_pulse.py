"""How the process and its event loop are; and a loop that is stuck, in a process of its own."""

import asyncio
import contextlib
import json
import math
import os
import sys
import time
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from libs.ops.metrics import Metrics
from libs.ops.pulse import Pulse, open_pulse
from tests.component.ops.scraping import get
from tests.unit.ops.scrape import Family, parse_scrape
from tests.waiting import eventually

STUCK = """
import asyncio, sys, time
from libs.ops.logs import configure_logging
from libs.ops.metrics import Metrics
from libs.ops.pulse import open_pulse
from libs.ops.web import open_web

def hold_everything_up():
    time.sleep(600)

async def main():
    configure_logging("info", "json")
    metrics = Metrics()
    async with (
        open_pulse(metrics, beat_seconds=0.05, stuck_seconds=0.5),
        open_web(metrics, "127.0.0.1:0") as (host, port),
    ):
        print(f"{host}:{port}", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        hold_everything_up()

asyncio.run(main())
"""


def scraped(metrics: Metrics) -> dict[str, Family]:
    return parse_scrape(metrics.render()[0].decode())


def number(metrics: Metrics, name: str) -> float:
    return next(f.samples[name, ()] for f in scraped(metrics).values() if (name, ()) in f.samples)


async def test_each_beat_is_counted_with_how_late_it_was() -> None:
    metrics = Metrics()
    async with open_pulse(metrics, beat_seconds=0.01):

        async def beats() -> bool:
            name = "rds_csi_event_loop_lag_seconds_count"
            samples = scraped(metrics)["rds_csi_event_loop_lag_seconds"].samples
            return samples.get((name, ()), 0) >= 3

        await eventually(beats, "there were three beats")
        before = number(metrics, "rds_csi_event_loop_lag_seconds_sum")
        time.sleep(0.3)  # noqa: ASYNC251 (this is what is measured)

        async def late() -> bool:
            return number(metrics, "rds_csi_event_loop_lag_seconds_sum") > before + 0.2

        await eventually(late, "the lag was counted")


def test_a_loop_is_stuck_when_it_has_not_beaten_for_long_and_that_is_news_once_each_time() -> None:
    pulse = Pulse(Metrics(), stuck_seconds=5.0)

    pulse.heard(100.0)
    beating = [pulse.is_news(now) for now in (101.0, 105.0)]
    stuck = [pulse.is_news(now) for now in (105.1, 106.0, 700.0)]
    pulse.heard(700.5)
    again = [pulse.is_news(now) for now in (701.0, 705.6, 705.7)]

    assert beating == [False, False]
    assert stuck == [True, False, False]
    assert again == [False, True, False]


async def test_a_loop_that_is_stuck_twice_is_written_down_each_time() -> None:
    metrics = Metrics()
    with capture_logs() as lines:
        async with open_pulse(metrics, beat_seconds=0.01, stuck_seconds=0.5):
            for times in (1, 2):
                deadline = time.monotonic() + 20
                while len(lines) < times and time.monotonic() < deadline:
                    time.sleep(0.01)  # noqa: ASYNC251 (nothing else gets a turn meanwhile)
                await asyncio.sleep(0.1)  # some beats

    # A machine that stood still itself adds to them.
    assert len(lines) >= 2
    assert {line["log_level"] for line in lines} == {"error"}
    assert number(metrics, "rds_csi_event_loop_stuck_total") == len(lines)


async def test_the_process_is_shown_as_every_exporter_shows_its_own() -> None:
    metrics = Metrics()
    async with open_pulse(metrics):
        started = number(metrics, "process_start_time_seconds")
        files = number(metrics, "process_open_fds")
        read, write = os.pipe()
        more = number(metrics, "process_open_fds")
        os.close(read)
        os.close(write)
        memory = number(metrics, "process_resident_memory_bytes")
        cpu = number(metrics, "process_cpu_seconds_total")

    assert more == files + 2
    assert 5e6 < memory < 4e9
    assert math.isclose(cpu, time.process_time(), abs_tol=1.0)
    assert 0 <= time.time() - started < 86_400


@contextlib.asynccontextmanager
async def stuck_process() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STUCK),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.communicate()


async def test_a_stuck_loop_is_written_down_with_where_it_is_and_answers_no_probe() -> None:
    async with asyncio.timeout(50), stuck_process() as process:
        assert process.stdin and process.stdout and process.stderr  # noqa: PT018 (all are pipes)
        address = (await process.stdout.readline()).decode().strip()
        before, _ = await get(address, "/healthz")

        process.stdin.write(b"\n")
        await process.stdin.drain()
        found: dict[str, str] = {}
        while found.get("event") != "the event loop is stuck":
            found = json.loads(await process.stderr.readline())
        with pytest.raises(TimeoutError):
            await get(address, "/healthz", seconds=1.0)

        assert before == 200
        assert found["level"] == "error"
        assert "hold_everything_up" in found["where"]
