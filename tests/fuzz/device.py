"""What the device says: its listings, facts, errors, drives and sensors."""

import json
from collections.abc import Callable
from pathlib import Path

from libs.core.errors import InvalidRequest, RdsCsiError
from libs.core.ids import Slot
from libs.core.images import Image
from libs.rdsclient import facts, health, replies
from libs.rdsclient.commands import Command
from libs.rdsclient.errors import GarbledReply
from libs.rdsclient.listing import CHANGED, END
from libs.rdshealth.tables import parse_hardware
from services.controller.plan.inventory import take_inventory
from tests.fuzz.draw import Draw
from tests.fuzz.engine import Target
from tests.unit.controller.values import BASE, NAME

RECORDED = Path(__file__).parents[1] / "data" / "routeros"
SLOTS = ("nvme1", "nvme2")

Read = Callable[[str, Command], object]

READERS: dict[str, tuple[Read, int]] = {
    "disks": (replies.parse_disks, 1),
    "pool": (replies.parse_pool, 1),
    "slot": (lambda text, command: replies.parse_slot(text, command, Slot(NAME)), 4),
    "files": (replies.parse_files, 1),
    "inventory": (replies.parse_inventory, 2),
    "storage": (
        lambda text, command: take_inventory(replies.parse_storage(text, command), (BASE,)),
        4,
    ),
    "snapshots": (replies.parse_snapshots, 3),
    "identity": (facts.parse_identity, 1),
    "health": (health.parse_health, 1),
}

DISK = {
    "slot": NAME,
    "type": "file",
    "size": 1 << 30,
    "nvme-tcp-export": True,
    "nvme-tcp-server-nqn": f"nqn.2000-02.com.mikrotik:{NAME}",
    "nvme-tcp-server-port": 4420,
    "nvme-tcp-server-allow-host-name": "",
    "file-path": f"/raid10/volumes/{NAME}.img",
}
FILE = {"name": f"raid10/volumes/{NAME}.img", "type": "file", "size": 1 << 30}
POOL = {"mount-point": "raid10", "size": 2 << 40, "free": 1 << 40, "fs": "btrfs", "slot": "raid1"}
SUBVOLUME = {"fs": "raid10", "fullname": f"volumes/{NAME}", "read-only": False}


def reply(read: Read, listings: int, data: bytes) -> None:
    """Read an answer; its first byte says in which form it was asked for."""
    form = data[0] if data else 0
    changes, as_json = bool(form & 1), not form & 2
    command = Command("", changes=changes, listings=listings, json=as_json)
    text = data[1:].decode(errors="replace")
    error = _error_of(lambda: read(text, command))
    assert not isinstance(error, InvalidRequest)
    # Once a change was made, no final error may be said of it.
    assert error is None or isinstance(error, GarbledReply) or not (changes and CHANGED in text)


def _error_of(do: Callable[[], object]) -> RdsCsiError | None:
    try:
        do()
    except RdsCsiError as error:
        return error
    return None


def _reply(name: str) -> Target:
    read, listings = READERS[name]
    parts = [[DISK], [FILE], [POOL], [SUBVOLUME]]
    order = {"files": [1], "pool": [2], "storage": [0, 1, 2, 3], "slot": [0, 1, 2, 3]}
    wanted = order.get(name, [0, 2, 3, 1])[:listings]
    text = "\n".join(json.dumps(parts[i]) for i in wanted)
    recorded = [path.read_text() for path in sorted(RECORDED.glob("*.txt"))]
    told = [f"{one}\n{END}\n" * listings for one in recorded]
    seeds = [f"\x00{text}", f"\x01{CHANGED}\n{text}", *(f"\x02{one}" for one in told)]
    seeds += ["\x00failure: not enough space", '\x00[{"name":"a","type":"file","size":1e999999}]']
    return Target(lambda data: reply(read, listings, data), tuple(s.encode() for s in seeds))


def words(data: bytes) -> None:
    """Read what is said in lines."""
    text = data.decode(errors="replace")
    for read in (
        facts.parse_system,
        lambda said: health.parse_traffic(said, SLOTS),
        lambda said: health.parse_smart(said, SLOTS),
    ):
        assert not isinstance(_error_of(lambda read=read: read(text)), InvalidRequest)  # type: ignore[misc] # bound at once


def places(data: bytes) -> None:
    """Read where a file lies, as the device spells it."""
    image = Image.parse(data.decode(errors="replace"))
    if image is None:
        return
    try:
        path = image.path
    except InvalidRequest:
        return
    assert Image.parse(path.text) == image


def sensors(data: bytes) -> None:
    draw = Draw(data)
    tables: list[dict[tuple[int, ...], int | str]] = []
    for _ in range(2):
        rows = [(draw.byte() % 8, draw.integer()) for _ in range(draw.byte() % 20)]
        tables.append({row: draw.integer() if draw.byte() & 1 else draw.text() for row in rows})
    parse_hardware(*tables)


_SYSTEM = b"                   version: 7.24.4 (stable)\n                board-name: RDS2216\n"
_TRAFFIC = b"rds-csi:item 0\n  read-ops: 12\n  read-rate: 1 200kbps\nrds-csi:item end\n"
_SMART = b"rds-csi:item 0\n temperature: 41C\n percentage-used: 3%\nrds-csi:item end\n"
_COPY = b"/raid10/volumes/vol-a.65a0-100.of.snap-b.img"

TARGETS: dict[str, Target] = {
    **{f"device-{name}": _reply(name) for name in READERS},
    "device-words": Target(words, (_SYSTEM, _TRAFFIC, _SMART)),
    "device-places": Target(places, (f"/raid10/volumes/{NAME}.img".encode(), _COPY)),
    "device-sensors": Target(sensors, (bytes(range(100)),)),
}
