"""Liveness and readiness over HTTP, and the reasons for not being ready."""

from structlog.testing import capture_logs

from libs.ops.health import Health, Progress
from libs.ops.metrics import Metrics
from libs.ops.web import open_web
from tests.component.ops.scraping import get


async def ask(health: Health, path: str) -> tuple[int, str]:
    async with open_web(Metrics(), "127.0.0.1:0", health) as (host, port):
        return await get(f"{host}:{port}", path)


async def test_readiness_names_each_part_and_what_is_wrong_with_it() -> None:
    health = Health()
    health.add_readiness("start", Progress())
    health.add_readiness("cluster", lambda: "")
    health.add_readiness("devices", lambda: "no device is reached: rds")

    status, text = await ask(health, "/readyz")

    assert status == 503
    assert text.splitlines() == [
        "start: it is still starting",
        "cluster: ok",
        "devices: no device is reached: rds",
    ]


async def test_a_process_that_cannot_serve_still_lives() -> None:
    health = Health()
    health.add_readiness("devices", lambda: "no device is reached: rds")

    assert await ask(health, "/healthz") == (200, "ok\n")


async def test_it_is_ready_as_soon_as_what_was_missing_is_there() -> None:
    health, progress = Health(), Progress()
    health.add_readiness("start", progress)
    async with open_web(Metrics(), "127.0.0.1:0", health) as (host, port):
        address = f"{host}:{port}"
        before, _ = await get(address, "/readyz")
        progress.done()
        after = await get(address, "/readyz")

    assert before == 503
    assert after == (200, "start: ok\n")


async def test_a_condition_that_cannot_be_read_counts_as_a_problem_and_hides_no_other() -> None:
    health = Health()

    def broken() -> str:
        raise RuntimeError("a bug")

    health.add_readiness("broken", broken)
    health.add_readiness("devices", lambda: "no device is reached: rds")
    with capture_logs() as lines:
        status, text = await ask(health, "/readyz")

    assert status == 503
    assert text.splitlines() == [
        "broken: this condition could not be read; the log says why",
        "devices: no device is reached: rds",
    ]
    assert [line["condition"] for line in lines if "condition" in line] == ["broken"]
