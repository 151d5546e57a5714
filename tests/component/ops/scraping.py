"""What Prometheus and probes see of a service."""

import asyncio
import os
import shutil
import socket

import aiohttp
import pytest

from tests.unit.ops.scrape import Family, parse_scrape
from tests.waiting import PATIENCE, eventually

PROMTOOL = shutil.which("promtool")

if os.environ.get("RDS_CSI_REQUIRE_PROMTOOL") and PROMTOOL is None:
    raise AssertionError("RDS_CSI_REQUIRE_PROMTOOL is set, and here is no promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool here (Debian: the package prometheus)"
)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def get(address: str, path: str, seconds: float = PATIENCE) -> tuple[int, str]:
    """Return status and text of an answer."""
    limit = aiohttp.ClientTimeout(total=seconds)
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.get(f"http://{address}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def scrape(address: str) -> dict[str, Family]:
    _, text = await get(address, "/metrics")
    return parse_scrape(text)


async def value(address: str, name: str, **labels: str) -> float | None:
    """Return the number with these labels; None where there is none."""
    families = await scrape(address)
    wanted = (name, tuple(sorted(labels.items())))
    found = [family.samples[wanted] for family in families.values() if wanted in family.samples]
    return found[0] if found else None


async def reaches(address: str, number: float, name: str, **labels: str) -> None:
    async def holds() -> bool:
        return await value(address, name, **labels) == number

    await eventually(holds, f"{name} {labels} is {number}")


async def promtool_complaints(address: str) -> str:
    """Return what Prometheus's own checker finds wrong with a scrape; nothing is well."""
    _, text = await get(address, "/metrics")
    assert PROMTOOL is not None
    process = await asyncio.create_subprocess_exec(
        *(PROMTOOL, "check", "metrics"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate(text.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode() or ("" if process.returncode == 0 else f"exit {process.returncode}")
