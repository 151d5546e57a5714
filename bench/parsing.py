"""Reading a listing of very many disks, in both forms."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

from bench.measure import Load, Row, longest_hold, row
from libs.mockrds.render import Console, print_detail
from libs.mockrds.values import Scalar, to_json
from libs.rdsclient import commands, replies
from libs.rdsclient.listing import END
from libs.rdsclient.model import Features, Release

_MIB = 2**20


def _items(count: int) -> list[dict[str, Scalar]]:
    return [
        {
            "type": "file",
            "slot": f"pvc-{number:032x}",
            "fs": "-",
            "size": 2**30 + number * 4096,
            "mount-filesystem": False,
            "mount-read-only": False,
            "compress": False,
            "sector-size": 512,
            "raid-master": "none",
            "nvme-tcp-export": True,
            "nvme-tcp-server-port": 4420,
            "nvme-tcp-server-nqn": f"nqn.2000-02.com.mikrotik:pvc-{number:032x}",
            "nvme-tcp-server-allow-host-name": "",
            "iscsi-export": False,
            "nfs-sharing": False,
            "smb-sharing": False,
            "media-sharing": False,
            "swap": False,
            "file-path": f"/raid10/volumes/pvc-{number:032x}.img",
            "file-size": 2**30 + number * 4096,
            "file-offset": 0,
        }
        for number in range(count)
    ]


async def bench_parsing(count: int) -> AsyncIterator[Row]:
    """Read a listing of `count` disks, as the client does: beside the event loop."""
    features = Features.of(Release(7, 24))
    items = _items(count)
    folded = "\r\n".join(print_detail(items, Console(80, fold_inside=True)))
    forms = {
        "json": (to_json(items, keep_strings=True), features),
        "text": (f"{folded}\r\n{END}\r\n", Features.of(Release(7, 15))),
    }
    for form, (text, spoken) in forms.items():
        parse = partial(replies.parse_disks, command=commands.list_disks(spoken, ("pvc-",)))
        started = time.perf_counter()
        hold = await longest_hold(asyncio.to_thread(parse, text))
        total, spent = time.perf_counter() - started, _cpu_of(partial(parse, text))
        note = (
            f"{len(text) / _MIB / total:.1f} MiB/s of {len(text) / _MIB:.1f} MiB; event loop held "
            f"{hold * 1000:.1f} ms at most"
        )
        measured = row(f"parse {count} disks, {form}", Load(1, 0, 1), [total], total, 0, note)
        yield replace(measured, cpu_s_per_op=round(spent, 6))


def _cpu_of(work: Callable[[], object]) -> float:
    used = time.thread_time()
    work()
    return time.thread_time() - used
