"""`rds-csi-mock-kube` as a process: what it prints, its faults by HTTP, and its end."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from libs.core.errors import Unreachable
from libs.kube.client import open_kube
from libs.kube.errors import Forbidden, WatchExpired
from tests.waiting import PATIENCE

MAPS = "/api/v1/namespaces/vms/configmaps"
NODES = "/api/v1/nodes"


@dataclass
class Mock:
    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    kubeconfig: Path

    async def tell(self, path: str, body: object = None, *, method: str = "POST") -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.ready["control"] + path, json=body) as answer,
        ):
            return answer.status


@contextlib.asynccontextmanager
async def running(directory: Path, *flags: str) -> AsyncIterator[Mock]:
    kubeconfig = directory / "config"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "libs.mockkube",
        f"--kubeconfig={kubeconfig}",
        "--nodes=worker-1 worker-2",
        "--namespaces=default,vms",
        *flags,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            ready = json.loads(await process.stdout.readline())
        yield Mock(process, ready, kubeconfig)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_it_says_where_it_is_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async with running(tmp_path) as mock, open_kube(mock.kubeconfig) as kube:
        pages = [page async for page in kube.list(NODES)]
        await kube.create(MAPS, {"metadata": {"name": "one"}})

        mock.process.terminate()
        async with asyncio.timeout(PATIENCE):
            status = await mock.process.wait()

    assert [item["metadata"]["name"] for item in pages[0].items] == ["worker-1", "worker-2"]
    assert mock.ready["api"].startswith("http://127.0.0.1:")
    assert status == 0


async def test_a_token_is_asked_for_where_one_was_set(tmp_path: Path) -> None:
    async with running(tmp_path, "--token=secret") as mock:
        async with open_kube(mock.kubeconfig) as kube:
            assert await kube.get(f"{NODES}/worker-1") is not None
        mock.kubeconfig.write_text(mock.kubeconfig.read_text().replace("secret", "guess"))
        async with open_kube(mock.kubeconfig) as kube:
            with pytest.raises(Forbidden):
                await kube.get(f"{NODES}/worker-1")


async def test_faults_come_and_go_by_http(tmp_path: Path) -> None:
    async with running(tmp_path) as mock, open_kube(mock.kubeconfig) as kube:
        set_up = await mock.tell("/faults", {"refusals": {f"GET {NODES}": 403}})
        with pytest.raises(Forbidden):
            await kube.get(f"{NODES}/worker-1")
        cleared = await mock.tell("/faults", method="DELETE")
        found = await kube.get(f"{NODES}/worker-1")
        unknown = await mock.tell("/faults", {"gravity": 1})

    assert (set_up, cleared, unknown) == (204, 204, 400)
    assert found is not None


async def test_a_restart_cuts_watches_and_may_forget(tmp_path: Path) -> None:
    async with running(tmp_path) as mock, open_kube(mock.kubeconfig) as kube:
        (page,) = [page async for page in kube.list(NODES)]
        await kube.create(MAPS, {"metadata": {"name": "one"}})
        watch = asyncio.ensure_future(anext(kube.watch(NODES, page.version, seconds=30)))

        await mock.tell("/restart", {"seconds": 0, "forgets": True})

        with pytest.raises(Unreachable):
            await watch
        with pytest.raises(WatchExpired):
            await anext(kube.watch(NODES, page.version, seconds=1))


@pytest.mark.parametrize("body", [{"seconds": "x"}, {"seconds": -1}, []])
async def test_what_makes_no_sense_is_refused(tmp_path: Path, body: object) -> None:
    async with running(tmp_path) as mock:
        assert await mock.tell("/restart", body) == 400


async def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    async with running(tmp_path) as mock:
        taken = mock.ready["api"].removeprefix("http://")

        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "libs.mockkube",
            f"--listen={taken}",
            stderr=asyncio.subprocess.PIPE,
        )
        _, words = await process.communicate()

    assert process.returncode == 1
    assert words.startswith(b"rds-csi-mock-kube: ")
    assert b"Traceback" not in words
