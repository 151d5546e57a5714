"""A scrape of a controller with very many volumes: how long it takes, and what it holds up."""

import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time

import aiohttp

from bench.controller import fill
from bench.growth import Point
from bench.measure import Load, Row, longest_hold, row
from bench.standin import DRIVER, volume_name
from demo.children import open_process, read_ready
from demo.processes import PASSWORD
from libs.core.paths import DevicePath
from libs.mockkube.testing import NODES, VOLUMES, ApiServer, running_api
from services.controller.app import open_controller
from services.controller.config import ControllerSettings

_SCRAPES = 20
_NODES = 100


async def bench_scrape(count: int) -> AsyncIterator[Row]:
    """Scrape a controller that knows so many attached volumes; the device has as many disks.

    It runs in this process, so that what holds its event loop up is seen.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        fill(directory / "data", count)
        (directory / "password").write_text(PASSWORD)
        flags = ["--listen=127.0.0.1:0", "--control=127.0.0.1:0", f"--data={directory}/data"]
        flags += ["--pool=raid10=100T:xfs", "--pool=btr=100T:btrfs"]
        flags += [f"--password-file={directory}/password"]
        async with (
            running_api(directory) as api,
            open_process("libs.mockrds", flags, directory) as device,
            aiohttp.ClientSession() as web,
        ):
            ready = await read_ready(device, directory)
            await _attach(api, count)
            settings = _settings(directory, ready, api.kubeconfig)
            async with open_controller(settings) as running:
                if running.metrics is None:
                    raise AssertionError("no metrics are served")
                url = "http://{}:{}/metrics".format(*running.metrics)
                # The first one has the device asked; those that follow within seconds do not.
                yield await _held(f"first scrape, {count} volumes", web, url, 1)
                yield await _measured(f"scrape, {count} volumes", web, url, count)


async def _held(name: str, web: aiohttp.ClientSession, url: str, scrapes: int) -> Row:
    """Scrape, and watch the event loop, which spends CPU time of its own."""
    times: list[float] = []

    async def scrape_all() -> None:
        times.extend([await _scrape(web, url) for _ in range(scrapes)])

    started = perf_counter()
    hold = await longest_hold(scrape_all())
    note = f"event loop held for at most {hold * 1000:.1f} ms"
    return row(name, Load(1, 0, scrapes), times, perf_counter() - started, 0, note)


async def _measured(name: str, web: aiohttp.ClientSession, url: str, count: int) -> Row:
    held = await _held(name, web, url, _SCRAPES)
    started, used = perf_counter(), process_time()
    times = [await _scrape(web, url) for _ in range(_SCRAPES)]
    total, spent = perf_counter() - started, (process_time() - used) / _SCRAPES
    note = f"{held.note}; CPU with that of whoever scrapes"
    return replace(
        row(name, Load(1, 0, _SCRAPES), times, total, 0, note),
        cpu_s_per_op=round(spent, 6),
        point=Point("a scrape", count, total / _SCRAPES, spent),
    )


async def _scrape(web: aiohttp.ClientSession, url: str) -> float:
    started = perf_counter()
    async with web.get(url) as response:
        await response.read()
    return perf_counter() - started


def _settings(directory: Path, ready: dict[str, str], kubeconfig: Path) -> ControllerSettings:
    (directory / "host-key").write_text(ready["host_key"] + "\n")
    host, port = ready["ssh"].rsplit(":", 1)
    return ControllerSettings(
        rds_address=host,
        rds_port=int(port),
        rds_password_file=directory / "password",
        rds_host_key_file=directory / "host-key",
        nvme_address="192.0.2.10",
        volume_base_paths=(DevicePath.parse("/raid10/volumes", "a path"),),
        csi_endpoint=f"unix://{directory}/csi.sock",
        kubeconfig=kubeconfig,
        metrics_address="127.0.0.1:0",
        log_level="warning",
    )


async def _attach(api: ApiServer, count: int) -> None:
    for number in range(_NODES):
        await api.put(NODES, {"metadata": {"name": f"worker-{number}"}})
    for number in range(count):
        name = volume_name(number)
        csi = {"driver": DRIVER, "volumeHandle": name}
        await api.put(VOLUMES, {"metadata": {"name": name}, "spec": {"csi": csi}})
        await api.attach(name, f"worker-{number % _NODES}", DRIVER, attached=True)
