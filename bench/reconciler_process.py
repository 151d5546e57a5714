"""A reconciler as a process over a large cluster: its memory, its passes, and what it answers."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from bench.measure import Load, Row, row
from libs.core.errors import RdsCsiError
from libs.csikit.calls import Calls
from libs.csikit.channel import open_admin_channel
from libs.csikit.server import open_admin_server
from libs.kube.attachments import attachment_name
from libs.mockkube.testing import ATTACHMENTS, NODES, VOLUMES, ApiServer, running_api
from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api

_DRIVER = "rds.csi.srvlab.io"
_READY_SECONDS = 120.0
_CALL_SECONDS = 120.0
_PART = 200
_SHARE = 10
"""Volumes on each node."""

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


def _name(number: int) -> str:
    return f"pvc-00000000-0000-0000-0000-{number:012}"


def _node(number: int) -> str:
    return f"node-{number // _SHARE:05}"


class _Controller(admin.ControllerAdminBase):
    """Says that each volume is there, and attached to its node."""

    def __init__(self, count: int, uids: list[str]) -> None:
        self._count = count
        self._uids = uids
        self.is_lost = False

    def _pieces(self) -> Iterator[range]:
        for start in range(0, self._count, _PART):
            yield range(start, min(start + _PART, self._count))

    async def get_inventory(
        self,
        message: admin.GetInventoryRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.GetInventoryResponse]:
        begin = admin.DeviceBegin(
            is_default=True, base_paths=["/raid10/volumes"], managed_prefixes=["pvc-"]
        )
        yield admin.GetInventoryResponse(device="rds", begin=begin)
        first = self._count if self.is_lost else 0
        for numbers in self._pieces():
            items = admin.DeviceItems(volumes=[_volume(first + number) for number in numbers])
            yield admin.GetInventoryResponse(device="rds", items=items)
        end = admin.DeviceEnd(reachable=True, taken_at=datetime.now(UTC), volumes=self._count)
        yield admin.GetInventoryResponse(device="rds", end=end)

    async def list_attachments(
        self,
        message: admin.ListAttachmentsRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.ListAttachmentsResponse]:
        for numbers in self._pieces():
            part = [self._attachment(number) for number in numbers]
            yield admin.ListAttachmentsResponse(attachments=part, taken_at=datetime.now(UTC))
        yield admin.ListAttachmentsResponse(last=True)

    def _attachment(self, number: int) -> admin.Attachment:
        node = _node(number)
        return admin.Attachment(
            volume_id=_name(number),
            node_id=node,
            state=admin.AttachmentState.ATTACHED,
            attachment_uid=self._uids[number],
            attachment_name=attachment_name(_name(number), _DRIVER, node),
            since=datetime.now(UTC),
            node_exists=True,
            node_host_nqn=f"nqn.2014-08.org.nvmexpress:uuid:{node}",
            admission=admin.Admission.EVERYBODY,
            volume_known=True,
        )

    async def watch_connections(
        self,
        message: admin.WatchConnectionsRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.WatchConnectionsResponse]:
        link = admin.Connection(device="rds", state=admin.ConnectionState.UP)
        yield admin.WatchConnectionsResponse(connections=[link])
        await asyncio.Event().wait()


def _volume(number: int) -> admin.Volume:
    slot = _name(number)
    return admin.Volume(
        volume_id=slot,
        slot=slot,
        size_bytes=2**30,
        path=f"/raid10/volumes/{slot}.img",
        file_present=True,
        layout=admin.Layout.FILE,
        exported=True,
        nqn=f"nqn.2000-02.com.mikrotik:{slot}",
        port=4420,
        half_state=admin.HalfState.WHOLE,
        fingerprint=f"print of {slot}",
    )


async def _fill(kube: ApiServer, count: int) -> list[str]:
    """Add the nodes, and each volume with its attachment; return the attachments' UIDs."""
    for number in range(0, count, _SHARE):
        used = [f"kubernetes.io/csi/{_DRIVER}^{_name(number + k)}" for k in range(_SHARE)]
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"conditions": [ready], "volumesInUse": used}
        await kube.put(NODES, {"metadata": {"name": _node(number)}, "status": status})
    for number in range(count):
        volume, node = _name(number), _node(number)
        spec = {
            "csi": {"driver": _DRIVER, "volumeHandle": volume},
            "claimRef": {"namespace": "default", "name": f"claim-{number}"},
            "persistentVolumeReclaimPolicy": "Delete",
        }
        item = {"metadata": {"name": volume}, "spec": spec, "status": {"phase": "Bound"}}
        await kube.put(VOLUMES, item)
        source = {"persistentVolumeName": volume}
        spec = {"attacher": _DRIVER, "nodeName": node, "source": source}
        name = attachment_name(volume, _DRIVER, node)
        item = {"metadata": {"name": name}, "spec": spec, "status": {"attached": True}}
        await kube.put(ATTACHMENTS, item)
    return [str(item["metadata"]["uid"]) for item in kube.objects[ATTACHMENTS].values()]


@contextlib.asynccontextmanager
async def _open_reconciler(place: _Place, kubeconfig: Path) -> AsyncIterator[int]:
    flags = {
        "controller-endpoint": f"unix://{place.controller}",
        "admin-endpoint": f"unix://{place.socket}",
        "kubeconfig": kubeconfig,
        "namespace": "kube-system",
        "log-level": "warning",
    }
    with (place.root / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.reconciler"),
            *(f"--{name}={value}" for name, value in flags.items()),
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()


async def bench_process(count: int) -> AsyncIterator[Row]:
    """Have a process look at so many volumes, in order and then with every one of them lost."""
    with tempfile.TemporaryDirectory() as directory:
        place = _Place(Path(directory))
        async with running_api(place.root) as kube:
            controller = _Controller(count, await _fill(kube, count))
            async with (
                open_admin_server((controller,), place.controller, Calls(), drain_seconds=0.1),
                _open_reconciler(place, kube.kubeconfig) as pid,
                open_admin_channel(place.socket, deadline=_CALL_SECONDS) as channel,
            ):
                stub = api.ReconcilerAdminStub(channel, timeout=_CALL_SECONDS)
                await _wait_until_it_leads(stub, pid)
                for case in ("all is well", "all is lost"):
                    controller.is_lost = case == "all is lost"
                    yield await _measure(f"process over {count}, {case}", stub, pid)


async def _measure(name: str, stub: api.ReconcilerAdminStub, pid: int) -> Row:
    times: list[float] = []
    for _ in range(3):
        started = perf_counter()
        await stub.run_pass(api.RunPassRequest())
        times.append(perf_counter() - started)
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
    return replace(measured, rss_mib=_most_resident_mib(pid))


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


def _most_resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return round(int(line.split()[1]) / 1024, 1)
