"""The endpoint that is scraped."""

import aiohttp
import pytest

from libs.core.errors import InUse, InvalidRequest
from libs.ops.metrics import Metrics
from libs.ops.web import open_web
from tests.unit.ops.scrape import parse_scrape


async def test_prometheus_gets_what_it_asks_for() -> None:
    metrics = Metrics()
    counter = metrics.counter("calls_total", "Calls.")
    async with open_web(metrics, "127.0.0.1:0") as (host, port), aiohttp.ClientSession() as web:
        counter.add(by=7)

        async with web.get(f"http://{host}:{port}/metrics") as response:
            text = await response.text()

    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert list(parse_scrape(text)["rds_csi_calls_total"].samples.values()) == [7]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 405)],
)
async def test_nothing_else_is_served(method: str, path: str, status: int) -> None:
    async with (
        open_web(Metrics(), "127.0.0.1:0") as (host, port),
        aiohttp.ClientSession() as web,
        web.request(method, f"http://{host}:{port}{path}") as response,
    ):
        assert response.status == status


async def test_an_address_that_is_taken_is_a_sentence() -> None:
    async with open_web(Metrics(), "127.0.0.1:0") as (_, port):
        with pytest.raises(InUse, match="somebody else listens there"):
            async with open_web(Metrics(), f"127.0.0.1:{port}"):
                pass


async def test_an_address_of_another_host_is_a_sentence() -> None:
    with pytest.raises(InvalidRequest, match=r"cannot be served at 192\.0\.2\.1:9809"):
        async with open_web(Metrics(), "192.0.2.1:9809"):
            pass


async def test_after_the_end_nobody_listens_any_more() -> None:
    async with open_web(Metrics(), "127.0.0.1:0") as (_, port):
        pass

    async with open_web(Metrics(), f"127.0.0.1:{port}") as (_, again):
        assert again == port
