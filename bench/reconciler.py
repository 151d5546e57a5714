"""A pass of the reconciler over a large cluster: how long it decides, and holds the event loop."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

from bench.growth import Point
from bench.measure import Load, Row, longest_hold, row
from bench.standin import DRIVER
from bench.standin import volume_name as _name
from libs.kube.attachments import attachment_name
from services.reconciler.adapters.heap import settle
from services.reconciler.inventory import Seen
from services.reconciler.memory import Memory, render_memory
from services.reconciler.model import (
    Admission,
    AttachmentState,
    AttachmentView,
    DeviceListing,
    Listing,
    Node,
    PersistentVolume,
    Ready,
    Volume,
    VolumeAttachment,
)
from services.reconciler.plan.decide import decide_steps
from services.reconciler.rules import Rules

T = TypeVar("T")

_NOW = 1_700_000_000.0
_MIB = 2**20
_RULES = Rules(driver=DRIVER)


@dataclass(frozen=True)
class _Size:
    nodes: int
    volumes: int


_CASES = {"all is well": (0, 0), "an outage": (10, 0), "all is lost": (3, 1)}
"""Every which node is cut off, and whether nothing on the device is what objects refer to."""


def large(size: _Size, cut_off: int, lost: int) -> Seen:
    """Return a cluster with each volume attached, and with some or all of it in disorder."""
    share = size.volumes // size.nodes
    numbers = range(size.volumes)
    used = [frozenset(_name(n * share + k) for k in range(share)) for n in range(size.nodes)]
    nodes = tuple(
        Node(
            f"node-{n:05}",
            f"uid-{n}",
            Ready.UNKNOWN if cut_off and n % cut_off == 0 else Ready.YES,
            volumes_in_use=frozenset() if lost else used[n],
        )
        for n in range(size.nodes)
    )
    on = [f"node-{n // share:05}" for n in numbers]
    claims = tuple(
        VolumeAttachment(
            *(
                attachment_name(_name(n), DRIVER, on[n]),
                f"va-{n}",
                "1",
                DRIVER,
                on[n],
                _name(n),
            ),
            attached=True,
        )
        for n in numbers
    )
    volumes = tuple(
        PersistentVolume(_name(n), f"pv-{n}", DRIVER, _name(n), claim=f"ns/{n}") for n in numbers
    )
    views = tuple(
        AttachmentView(_name(n), on[n], f"va-{n}", AttachmentState.ATTACHED, Admission.EVERYBODY)
        for n in numbers
    )
    return Seen(
        nodes=_listing(nodes),
        attachments=_listing(claims),
        volumes=_listing(volumes),
        contents=None,
        devices=_listing((_device(size.volumes, lost),)),
        views=_listing(views),
    )


def _listing(items: tuple[T, ...]) -> Listing[T]:
    return Listing(items, complete=True, read_at=_NOW)


def _device(count: int, lost: int) -> DeviceListing:
    first = count * lost
    base = "/raid10/volumes"
    volumes = tuple(
        Volume(_name(n), _name(n), f"{base}/{_name(n)}.img", f"print-{n}")
        for n in range(first, first + count)
    )
    prefixes = ("pvc-", "vol-", "snap-")
    return DeviceListing(
        *("rds", True, (base,), prefixes, volumes, (), ()), complete=True, read_at=_NOW - 1
    )


async def bench_pass(count: int) -> AsyncIterator[Row]:
    """Decide over a cluster of so many volumes."""
    size = _Size(max(count // 10, 1), count)
    for case, (cut_off, lost) in _CASES.items():
        seen = large(size, cut_off, lost)
        watch = _Watch(seen)
        await watch.decide()
        settle()  # as the process does when it has looked for the first time
        hold = await longest_hold(watch.decide())
        times: list[float] = []
        spent: list[float] = []
        for _ in range(5):
            started = time.perf_counter()
            await watch.decide()
            times.append(time.perf_counter() - started)
            spent.append(watch.spent)
        note = (
            f"{size.nodes} nodes, {watch.findings} findings; holds the loop {hold * 1000:.0f} ms "
            f"({watch.longest * 1000:.0f} ms of CPU; {watch.spent * 1000:.0f} ms of CPU in all), "
            f"takes {_peak(seen):.0f} MiB, remembers {watch.remembered / 1024:.0f} KiB"
        )
        name = f"pass over {count}, {case}"
        measured = row(name, Load(1, 0, len(times)), times, sum(times), 0, note)
        point = Point(f"pass, {case}", count, min(times), min(spent))
        yield replace(measured, cpu_s_per_op=round(median(spent), 6), point=point)
        gc.unfreeze()


class _Watch:
    """Decides again and again, and keeps what it took in CPU time, which others cannot lengthen."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._memory = Memory()
        self.longest = 0.0
        self.spent = 0.0
        self.findings = 0
        self.remembered = 0

    async def decide(self) -> None:
        """Decide, and let the event loop go on between two pieces."""
        self.longest, began = 0.0, time.thread_time()
        last = began
        for step in decide_steps(self._seen, self._memory, _RULES, _NOW):
            self.longest = max(self.longest, time.thread_time() - last)
            if step is not None:
                self.findings, self._memory = len(step.findings), step.memory
            await asyncio.sleep(0)
            last = time.thread_time()
        self.spent = last - began
        self.remembered = len(render_memory(self._memory, _NOW))


def _peak(seen: Seen) -> float:
    gc.collect()
    tracemalloc.start()
    for _ in decide_steps(seen, Memory(), _RULES, _NOW):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / _MIB
