"""What a scrape has to ask of somebody else: seldom, once at a time, and never waited for long."""

import asyncio

from structlog.testing import capture_logs

from libs.ops.metrics import Metrics
from libs.ops.sources import Source
from libs.ops.web import open_web
from tests.component.ops.scraping import get, value
from tests.waiting import PATIENCE

FOREVER = 3600.0


class Device:
    """Somebody who is asked, and answers when told."""

    def __init__(self, *, answers: bool = True) -> None:
        self.asked = 0
        self.answered = 0
        self.go_on = asyncio.Event()
        if answers:
            self.go_on.set()

    async def __call__(self) -> None:
        self.asked += 1
        await self.go_on.wait()
        self.answered += 1


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_scrapes_at_the_same_moment_ask_once() -> None:
    device = Device(answers=False)
    source = Source(device, cache_seconds=0.0, timeout_seconds=FOREVER)

    scrapes = [asyncio.create_task(source.refresh()) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    device.go_on.set()
    await asyncio.gather(*scrapes)

    assert (device.asked, device.answered) == (1, 1)


async def test_what_was_read_just_now_is_not_asked_again_before_it_is_old() -> None:
    device, clock = Device(), Clock()
    source = Source(device, cache_seconds=15.0, timeout_seconds=FOREVER, clock=clock)
    await source.refresh()

    clock.now += 14.9
    await source.refresh()
    young = device.asked
    clock.now += 0.2
    await source.refresh()

    assert (young, device.asked) == (1, 2)


async def test_a_slow_one_does_not_hold_a_scrape_up_and_is_there_for_a_later_one() -> None:
    device = Device(answers=False)
    source = Source(device, cache_seconds=FOREVER, timeout_seconds=0.05)

    async with asyncio.timeout(PATIENCE):
        await source.refresh()
    held_up = device.answered
    device.go_on.set()
    await source.refresh()
    await source.refresh()

    assert (held_up, device.asked, device.answered) == (0, 1, 1)


async def test_one_that_fails_leaves_the_others_and_is_written_down() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("disks", "Disks.")

    async def fail() -> None:
        raise RuntimeError("a bug")

    async def work() -> None:
        gauge.set(to=3)

    metrics.on_scrape(fail, cache_seconds=0.0, timeout_seconds=FOREVER)
    metrics.on_scrape(work, cache_seconds=0.0, timeout_seconds=FOREVER)
    async with open_web(metrics, "127.0.0.1:0") as (host, port):
        with capture_logs() as lines:
            disks = await value(f"{host}:{port}", "rds_csi_disks")

    assert disks == 3
    assert [(line["event"], line["log_level"]) for line in lines] == [("not collected", "error")]


async def test_one_that_failed_is_asked_again_once_that_is_old() -> None:
    clock, asked = Clock(), []

    async def fail() -> None:
        asked.append(clock.now)
        raise RuntimeError("a bug")

    source = Source(fail, cache_seconds=15.0, timeout_seconds=FOREVER, clock=clock)
    with capture_logs():
        await source.refresh()
        await source.refresh()
        clock.now += 15.0
        await source.refresh()

    assert asked == [100.0, 115.0]


async def test_a_scrape_that_is_given_up_does_not_break_the_reading_off() -> None:
    device = Device(answers=False)
    source = Source(device, cache_seconds=FOREVER, timeout_seconds=FOREVER)
    first = asyncio.create_task(source.refresh())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    device.go_on.set()
    await source.refresh()

    assert (device.asked, device.answered) == (1, 1)


async def test_the_end_of_the_endpoint_ends_what_is_still_asked() -> None:
    metrics, ended = Metrics(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    metrics.on_scrape(hang, cache_seconds=0.0, timeout_seconds=0.01)
    async with open_web(metrics, "127.0.0.1:0") as (host, port):
        await get(f"{host}:{port}", "/metrics")
        asked = ended.is_set()

    assert (asked, ended.is_set()) == (False, True)


async def test_probes_do_not_wait_for_what_a_scrape_asks() -> None:
    metrics, device = Metrics(), Device(answers=False)
    metrics.on_scrape(device, cache_seconds=0.0, timeout_seconds=FOREVER)
    async with open_web(metrics, "127.0.0.1:0") as (host, port):
        address = f"{host}:{port}"
        scraping = asyncio.create_task(get(address, "/metrics"))
        answer = await get(address, "/healthz")
        device.go_on.set()
        status, _ = await scraping

    assert (answer, status) == ((200, "ok\n"), 200)
