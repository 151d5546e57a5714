"""A real Prometheus with the real rules, and questions to it."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.monitoring.generate import RULES
from tests.monitoring.pictures.site import free_address

SCRAPE_SECONDS = 2
_STEPS = 240
"""Points of a graph."""
_READY_SECONDS = 30.0
_LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)")


def step_of(begin: float, end: float) -> float:
    """Return the seconds between two points of a graph."""
    return max((end - begin) / _STEPS, 1)


class Prometheus:
    """Questions to a running one."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, path: str, **parameters: object) -> Any:
        """Return the answer of its HTTP API."""
        text = {name: str(value) for name, value in parameters.items()}
        async with self._session.get(f"/api/v1/{path}", params=text) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise AssertionError(f"{parameters}: {answer['error']}")
        return answer["data"]

    async def graph(self, expr: str, begin: float, end: float) -> list[dict[str, Any]]:
        """Return the series of an expression over time."""
        step = step_of(begin, end)
        interval = f"{int(max(4 * SCRAPE_SECONDS, step + SCRAPE_SECONDS))}s"
        expr = expr.replace("$__rate_interval", interval)
        data = await self.ask("query_range", query=expr, start=begin, end=end, step=step)
        return list(data["result"])

    async def now(self, expr: str, at: float) -> list[dict[str, Any]]:
        """Return what an expression says at one moment."""
        return list((await self.ask("query", query=expr, time=at))["result"])

    async def label_values(self, definition: str, regex: str) -> list[str]:
        """Return what a variable of a dashboard can be."""
        match = _LABEL_VALUES.fullmatch(definition)
        if match is None:
            raise AssertionError(f"not understood: {definition}")
        series = await self.ask("series", **{"match[]": match[1]})
        values = sorted({one[match[2]] for one in series if match[2] in one})
        pattern = re.compile(regex.strip("/") or "(.*)")
        return [found[1] for value in values if (found := pattern.search(value))]


@contextlib.asynccontextmanager
async def running_prometheus(
    path: Path, targets: Mapping[str, Mapping[str, str]]
) -> AsyncIterator[Prometheus]:
    """Run one that scrapes these addresses, until the block ends."""
    folder, address = path / "prometheus", free_address()
    folder.mkdir()
    config = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": "5s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {"targets": [address], "labels": {"instance": name}}
                    for address, name in addresses.items()
                ],
            }
            for job, addresses in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    flags = (
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    )
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec("prometheus", *flags, stderr=log, stdout=log)
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            await _wait_until_ready(session)
            yield Prometheus(session)
    finally:
        process.terminate()
        await process.wait()


async def _wait_until_ready(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get("/-/ready") as response:
                    if response.ok:
                        return
            await asyncio.sleep(0.1)
