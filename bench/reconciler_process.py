"""A reconciler as a process over a large cluster: its memory, its passes, and what it answers."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from bench.growth import Point
from bench.measure import Load, Row, row
from bench.processes import cpu_seconds, end, peak_mib
from bench.standin import DRIVER, SHARE, Controller, node_name, volume_name
from libs.core.errors import RdsCsiError
from libs.csikit.calls import Calls
from libs.csikit.channel import open_admin_channel
from libs.csikit.server import open_admin_server
from libs.kube.attachments import attachment_name
from libs.mockkube.testing import ATTACHMENTS, NODES, VOLUMES, ApiServer, running_api
from protos.gen.rdscsi.reconciler import v1 as api

_READY_SECONDS = 120.0
_CALL_SECONDS = 120.0

LIMIT_MIB = 220
"""What the process is to stay below with 10,000 volumes."""


@dataclass(frozen=True)
class _Place:
    """Where everything is."""

    root: Path

    @property
    def controller(self) -> Path:
        return self.root / "controller.sock"

    @property
    def socket(self) -> Path:
        return self.root / "reconciler.sock"


async def _fill(kube: ApiServer, count: int) -> list[str]:
    """Add the nodes, and each volume with its attachment; return the attachments' UIDs."""
    for number in range(0, count, SHARE):
        used = [f"kubernetes.io/csi/{DRIVER}^{volume_name(number + k)}" for k in range(SHARE)]
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"conditions": [ready], "volumesInUse": used}
        await kube.put(NODES, {"metadata": {"name": node_name(number)}, "status": status})
    for number in range(count):
        volume, node = volume_name(number), node_name(number)
        spec = {
            "csi": {"driver": DRIVER, "volumeHandle": volume},
            "claimRef": {"namespace": "default", "name": f"claim-{number}"},
            "persistentVolumeReclaimPolicy": "Delete",
        }
        item = {"metadata": {"name": volume}, "spec": spec, "status": {"phase": "Bound"}}
        await kube.put(VOLUMES, item)
        source = {"persistentVolumeName": volume}
        spec = {"attacher": DRIVER, "nodeName": node, "source": source}
        name = attachment_name(volume, DRIVER, node)
        item = {"metadata": {"name": name}, "spec": spec, "status": {"attached": True}}
        await kube.put(ATTACHMENTS, item)
    return [str(item["metadata"]["uid"]) for item in kube.objects[ATTACHMENTS].values()]


@contextlib.asynccontextmanager
async def _open_reconciler(
    place: _Place, kubeconfig: Path, command: Sequence[str]
) -> AsyncIterator[int]:
    flags = {
        "controller-endpoint": f"unix://{place.controller}",
        "admin-endpoint": f"unix://{place.socket}",
        "kubeconfig": kubeconfig,
        "namespace": "kube-system",
        "log-level": "warning",
    }
    with (place.root / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *command),
            *(f"--{name}={value}" for name, value in flags.items()),
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid
    finally:
        await end(process)


@dataclass(frozen=True)
class Leader:
    """A reconciler that leads.

    Attributes:
        stub: asks it.
        pid: its process ID.
        controller: what it takes for the controller.
    """

    stub: api.ReconcilerAdminStub
    pid: int
    controller: Controller


@contextlib.asynccontextmanager
async def open_leader(
    root: Path, count: int, command: Sequence[str] = ("services.reconciler",)
) -> AsyncIterator[Leader]:
    """Run a reconciler over so many volumes, and wait until it leads and has looked once."""
    place = _Place(root)
    async with running_api(place.root) as kube:
        controller = Controller(count, await _fill(kube, count))
        async with (
            open_admin_server((controller,), place.controller, Calls(), drain_seconds=0.1),
            _open_reconciler(place, kube.kubeconfig, command) as pid,
            open_admin_channel(place.socket, deadline=_CALL_SECONDS) as channel,
        ):
            stub = api.ReconcilerAdminStub(channel, timeout=_CALL_SECONDS)
            await _wait_until_it_leads(stub, pid)
            yield Leader(stub, pid, controller)


async def bench_process(count: int) -> AsyncIterator[Row]:
    """Have a process look at so many volumes, in order and then with every one of them lost."""
    with tempfile.TemporaryDirectory() as directory:
        async with open_leader(Path(directory), count) as leader:
            for case in ("all is well", "all is lost"):
                leader.controller.is_lost = case == "all is lost"
                name = f"process over {count}, {case}"
                measured = await _measure(name, leader.stub, leader.pid)
                series, seconds = f"reconciler's process, {case}", measured.p50_ms / 1000
                point = Point(series, count, seconds, measured.cpu_s_per_op)
                yield replace(measured, point=point)


async def _measure(name: str, stub: api.ReconcilerAdminStub, pid: int) -> Row:
    times: list[float] = []
    used = cpu_seconds(pid)
    for _ in range(3):
        started = perf_counter()
        await stub.run_pass(api.RunPassRequest())
        times.append(perf_counter() - started)
    spent = (cpu_seconds(pid) - used) / len(times)
    started = perf_counter()
    pages = await _list_attachments(stub)
    listing = perf_counter() - started
    findings = sum(one.count for one in (await stub.get_status(api.GetStatusRequest())).findings)
    note = (
        f"{findings} findings; memory is to stay below {LIMIT_MIB} MiB. Listing all attachments "
        f"takes {listing:.1f} s ({pages} pages). The times are also those of the stand-ins for the "
        "API server and the controller, in one other process"
    )
    measured = row(name, Load(1, 0, len(times)), times, sum(times), 0, note)
    return replace(measured, rss_mib=peak_mib(pid), cpu_s_per_op=round(spent, 6))


async def _list_attachments(stub: api.ReconcilerAdminStub) -> int:
    pages, token = 0, ""
    while not pages or token:
        page = await stub.list_attachments(api.ListAttachmentsRequest(page_token=token))
        pages, token = pages + 1, page.next_page_token
    return pages


async def _wait_until_it_leads(stub: api.ReconcilerAdminStub, pid: int) -> None:
    async with asyncio.timeout(_READY_SECONDS):
        while not await _leads(stub):
            os.kill(pid, 0)  # it is still there
            await asyncio.sleep(0.2)


async def _leads(stub: api.ReconcilerAdminStub) -> bool:
    try:
        status = await stub.get_status(api.GetStatusRequest())
    except RdsCsiError:
        return False  # no socket yet
    return status.is_leader and status.last_pass is not None
