"""What a node's kernel and tools say: mounts, sysfs, /proc, superblocks, blkid; and our records."""

import json
import struct
from pathlib import Path

from libs.core.errors import RdsCsiError
from libs.nvmeof.errors import ConnectFailed, HostUnable, MountStorm, MountTableUnreadable
from libs.nvmeof.fabrics_options import explain, parse_answer
from libs.nvmeof.fsplan import parse_blkid
from libs.nvmeof.mountinfo import MountTable
from libs.nvmeof.superblock import HEAD, parse_superblock
from libs.nvmeof.sysfs import CONTROLLER_FILES, DISK_FILES, parse_nqn, parse_subsystem
from libs.nvmeof.usage_parse import (
    goes_with,
    mount_over,
    parse_mapped,
    parse_mount_id,
    read_masters,
)
from services.node.volume import Record
from tests.fuzz.draw import Draw
from tests.fuzz.engine import Target

MOUNTS = (
    b"24 1 259:3 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    b"40 24 0:45 /a\\040b /var/lib/kubelet/x ro master:1 propagate_from:2 - btrfs /dev/nvme0n1 rw\n"
)
MAPS = b"55d0-55e0 r-xp 00000000 fd:01 1234 /usr/bin/x\n7ff0-7fff rw-p 00000000 00:00 0 [stack]\n"
NAMES = ("nvme0", "nvme1", "nvme0n1", "nvme0n2", "nvme0c0n1", "x")
TEXTS = ("live\n", "259:3\n", "1\n", "2048\n", "0", "traddr=10.0.0.1,trsvcid=4420", "\u0661", "")


def mounts(data: bytes) -> None:
    try:
        table = MountTable.parse(data.decode(errors="backslashreplace"))
        table.check_storm("/dev/nvme0n1", (259, 3))
    except (MountTableUnreadable, MountStorm):
        return
    known = {mount.id: mount for mount in table.mounts}
    points = {mount.point: mount for mount in table.mounts}
    masters = read_masters(table.mounts)
    for mount in table.mounts[:20]:
        table.below(mount.point)
        mount_over(mount.point, points)
        goes_with(mount, known, table.mounts[0], known, masters)


def usage(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    parse_mount_id(text)
    try:
        parse_mapped(text)
    except HostUnable:
        return


def tree(data: bytes) -> None:
    draw = Draw(data)
    found = []
    for files in (CONTROLLER_FILES, DISK_FILES):
        names = [draw.pick(NAMES) for _ in range(draw.byte() % 4)]
        found.append(
            {
                name: {file: draw.pick(TEXTS) if draw.byte() % 4 else draw.text() for file in files}
                for name in names
            }
        )
    controllers, disks = found
    seen = parse_subsystem(parse_nqn(draw.text("nqn")), controllers, disks)
    seen.connection()
    if seen.device is not None:
        assert seen.device.size > 0
        assert Path(seen.device.path).parent == Path("/dev")


def start_of_device(data: bytes) -> None:
    """Read a device's first bytes, of which the input is what lies where superblocks do."""
    for offset in (0, 1024, 64 * 1024):
        head = bytearray(HEAD)
        head[offset : offset + len(data)] = data
        found = parse_superblock(bytes(head[:HEAD]))
        assert found is None or found.size >= 0
    parse_superblock(data)


def answers(data: bytes) -> None:
    text = data.decode(errors="replace")
    parse_blkid(data[0] if data else 0, text)
    explain(len(data))
    try:
        assert parse_answer(text)[4:].isdecimal()
    except ConnectFailed:
        return


def records(data: bytes) -> None:
    """Read a record, as it is done after a crash: what is raised here sets it aside."""
    try:
        Record.from_json(json.loads(data))
    except (KeyError, TypeError, ValueError, RdsCsiError):
        return


_EXT = bytearray(1024)
struct.pack_into("<II", _EXT, 0, 16, 65536)
struct.pack_into("<H", _EXT, 56, 0xEF53)
_RECORD = {
    "nqn": "nqn.2000-02.com.mikrotik:pvc-1",
    "address": "192.0.2.2",
    "port": 4420,
    "ctrl_loss": -1,
    "reconnect_delay": 5,
    "keep_alive": 0,
    "volume": "pvc-1",
    "staging": "/x",
    "fs_type": "ext4",
    "options": [],
    "mkfs_options": [],
    "mode": 1,
    "size": 4096,
    "authenticated": False,
    "publications": [["/y", True]],
    "begun": "00000000-0000-0000-0000-000000000001",
    "boot": "b",
    "attachment": "",
    "is_marked": False,
}

TARGETS: dict[str, Target] = {
    "host-mounts": Target(mounts, (MOUNTS, MOUNTS * 60)),
    "host-usage": Target(usage, (MAPS, b"pos:\t0\nmnt_id:\t29\n")),
    "host-tree": Target(tree, tuple(bytes([n]) * 90 for n in range(6))),
    "host-superblock": Target(
        start_of_device, (bytes(_EXT), b"XFSB" + bytes(508), bytes(64) + b"_BHRfS_M" + bytes(4024))
    ),
    "host-answers": Target(answers, (b"instance=0,cntlid=1\n", b"TYPE=ext4\nUSAGE=filesystem\n")),
    "host-records": Target(records, (json.dumps(_RECORD).encode(),)),
}
