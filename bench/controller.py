"""The controller over its real socket: simulated device and controller each in its own process."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from grpclib.client import UnaryUnaryMethod

from bench.growth import Point
from bench.measure import Load, Operation, Row, measure, row
from bench.processes import cpu_seconds, peak_mib
from bench.standin import volume_name
from demo.processes import DeviceView, House, open_house
from libs.csikit.packed import message_class
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.store import Store
from protos.gen.csi import v1 as csi

_MIB = 2**20
_PAGE = 500
_MORE = 20
_MODE = csi.VolumeCapabilityAccessModeMode
_POOLS = ("--pool=raid10=100T:xfs", "--pool=btr=100T:btrfs")


def _capability() -> csi.VolumeCapability:
    return csi.VolumeCapability(
        block=csi.VolumeCapabilityBlockVolume(),
        access_mode=csi.VolumeCapabilityAccessMode(mode=_MODE.SINGLE_NODE_WRITER),
    )


def operations_of(controller: csi.ControllerStub, layout: dict[str, str]) -> dict[str, Operation]:
    """Return the calls of a volume's life, in their order; each is one operation."""

    async def create(number: int) -> None:
        await controller.create_volume(
            csi.CreateVolumeRequest(
                name=volume_name(number),
                capacity_range=csi.CapacityRange(required_bytes=16 * _MIB),
                volume_capabilities=[_capability()],
                parameters=layout,
            )
        )

    async def publish(number: int) -> None:
        await controller.controller_publish_volume(
            csi.ControllerPublishVolumeRequest(
                volume_id=volume_name(number), node_id="worker-1", volume_capability=_capability()
            )
        )

    async def expand(number: int) -> None:
        await controller.controller_expand_volume(
            csi.ControllerExpandVolumeRequest(
                volume_id=volume_name(number),
                capacity_range=csi.CapacityRange(required_bytes=32 * _MIB),
                volume_capability=_capability(),
            )
        )

    async def unpublish(number: int) -> None:
        await controller.controller_unpublish_volume(
            csi.ControllerUnpublishVolumeRequest(volume_id=volume_name(number), node_id="worker-1")
        )

    async def snapshot(number: int) -> None:
        await controller.create_snapshot(
            csi.CreateSnapshotRequest(name=f"s{number}", source_volume_id=volume_name(number))
        )

    async def drop_snapshot(number: int) -> None:
        await controller.delete_snapshot(csi.DeleteSnapshotRequest(snapshot_id=f"snap-s{number}"))

    async def delete(number: int) -> None:
        await controller.delete_volume(csi.DeleteVolumeRequest(volume_id=volume_name(number)))

    return {
        "CreateVolume": create,
        "ControllerPublishVolume": publish,
        "ControllerExpandVolume": expand,
        "ControllerUnpublishVolume": unpublish,
        "CreateSnapshot": snapshot,
        "DeleteSnapshot": drop_snapshot,
        "DeleteVolume": delete,
    }


async def bench_calls(loads: Sequence[Load]) -> AsyncIterator[Row]:
    """Take volumes through their lives under each load, as files and as subvolumes."""
    layouts = {
        "file": {},
        "subvolume": {"layout": "subvolume", "volumePath": "/btr/volumes"},
    }
    for load in loads:
        flags = (*_POOLS, f"--latency={load.latency_ms}")
        for layout, parameters in layouts.items():
            with tempfile.TemporaryDirectory() as directory:
                async with open_house(
                    Path(directory),
                    flags,
                    volume_base_paths="/raid10/volumes,/btr/volumes",
                    log_level="warning",
                ) as house:
                    await _warm(house)
                    operations = operations_of(house.controller, parameters)
                    for name, operation in operations.items():
                        yield await _measured(f"{name} ({layout})", load, operation, house)


async def _measured(name: str, load: Load, operation: Operation, house: House) -> Row:
    await house.device.new_commands()
    cpu = partial(cpu_seconds, house.controller_pid)
    measured = await measure(name, load, operation, lambda: 0, cpu)
    trips = await _round_trips(house.device)
    return replace(
        measured,
        round_trips_per_op=round(trips / load.count, 3),
        rss_mib=peak_mib(house.controller_pid),
    )


async def _warm(house: House) -> None:
    """Have the release of the device known, as it is after the first moment of a controller."""
    await house.controller.list_volumes(csi.ListVolumesRequest())


async def _round_trips(device: DeviceView) -> int:
    alive = ':put "alive"'
    return sum(line != alive for line in await device.new_commands())


async def bench_listing(count: int, latency: float) -> AsyncIterator[Row]:
    """List very many volumes page by page, and make some more beside them."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        fill(data, count)
        flags = (*_POOLS, f"--latency={latency}", f"--data={data}")
        async with open_house(Path(directory), flags, log_level="warning") as house:
            await _warm(house)
            await house.device.new_commands()
            yield await _listing(house, count, latency)
            if not latency:
                yield await _beside(house, count)


async def _listing(house: House, count: int, latency: float) -> Row:
    used, started = cpu_seconds(house.controller_pid), perf_counter()
    times = await _list(house, count)
    total = perf_counter() - started
    spent = cpu_seconds(house.controller_pid) - used
    return replace(
        row(f"ListVolumes, {count} volumes", Load(1, latency, 1), times, total, 0),
        ops_per_s=round(count / total, 1),
        round_trips_per_op=await _round_trips(house.device),
        rss_mib=peak_mib(house.controller_pid),
        cpu_s_per_op=round(spent / len(times), 6),
        note=f"{len(times)} pages of {_PAGE}; ops/s are volumes/s; trips in all; CPU of a page",
        point=None if latency else Point("ListVolumes, all pages", count, total, spent),
    )


async def _beside(house: House, count: int) -> Row:
    """Make volumes beside so many that are there."""
    create = operations_of(house.controller, {})["CreateVolume"]
    load = Load(1, 0, _MORE)
    name = f"CreateVolume beside {count} volumes"
    made = await _measured(name, load, lambda number: create(count + number), house)
    each = Point("CreateVolume beside others", count, made.total_s / _MORE, made.cpu_s_per_op)
    return replace(made, point=each)


async def _list(house: House, count: int) -> list[float]:
    # Read by protobuf's own decoder: a sidecar does not spend its time in Python either.
    call: Any = UnaryUnaryMethod(
        house.controller.channel,
        "/csi.v1.Controller/ListVolumes",
        csi.ListVolumesRequest,
        message_class("csi.v1.ListVolumesResponse"),
    )
    times, seen, token = [], 0, ""
    while True:
        started = perf_counter()
        page = await call(csi.ListVolumesRequest(max_entries=_PAGE, starting_token=token))
        times.append(perf_counter() - started)
        seen, token = seen + len(page.entries), page.next_token
        if not token:
            break
    if seen != count:
        raise AssertionError(f"{seen} volumes were listed, not {count}")
    return times


def fill(data: Path, count: int) -> None:
    """Write the state of a device that has so many volumes."""
    device = Device(pools=[Pool("raid10", 100 * 2**40), Pool("btr", 100 * 2**40, "btrfs")])
    for number in range(count):
        slot = volume_name(number)
        device.add_disk(
            {
                "type": "file",
                "slot": slot,
                "file-path": f"/raid10/volumes/{slot}.img",
                "file-size": 16 * _MIB,
                "mount-filesystem": False,
                "nvme-tcp-export": True,
                "nvme-tcp-server-nqn": f"nqn.2000-02.com.mikrotik:{slot}",
            }
        )
    Store(data).save(device)
