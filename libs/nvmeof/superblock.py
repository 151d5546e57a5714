"""What the start of a device says of the filesystem on it. Pure.

Only three facts are read, which blkid does not give: how large the filesystem is, its UUID as it
was chosen, and whether mkfs came to its end. What is on a device is for blkid to say; this adds.

Offsets: fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h and include/uapi/linux/btrfs_tree.h of Linux.
"""

import struct
from dataclasses import dataclass
from uuid import UUID

HEAD = 128 * 1024
"""Bytes from the start of a device that hold the first superblock of every filesystem known."""

_EXT_AT, _EXT_MAGIC = 1024, 0xEF53
_EXT_64BIT = 0x80
_MAX_EXT_LOG = 6
_BTRFS_AT, _BTRFS_MAGIC = 64 * 1024, b"_BHRfS_M"
_XFS_MAGIC = b"XFSB"
XFS_SECTOR = 512
"""Bytes that hold the part of an XFS superblock that is read here."""


@dataclass(frozen=True, slots=True)
class Superblock:
    """What a superblock says.

    Attributes:
        kind: `ext`, `xfs` or `btrfs`.
        uuid: the filesystem's UUID.
        size: bytes of the device that it uses.
        unfinished: mkfs has not come to its end. Only XFS says so, and the kernel does not mount
            such a filesystem.
    """

    kind: str
    uuid: UUID
    size: int
    unfinished: bool = False


def parse_superblock(head: bytes) -> Superblock | None:
    """Return what the first bytes of a device say; None where no superblock is known in them."""
    return _xfs(head) or _ext(head) or _btrfs(head)


def _ext(head: bytes) -> Superblock | None:
    raw = head[_EXT_AT : _EXT_AT + 1024]
    if len(raw) < 1024 or struct.unpack_from("<H", raw, 56)[0] != _EXT_MAGIC:  # noqa: PLR2004
        return None
    (low,) = struct.unpack_from("<I", raw, 4)
    (log_size,) = struct.unpack_from("<I", raw, 24)
    (incompatible,) = struct.unpack_from("<I", raw, 96)
    high = struct.unpack_from("<I", raw, 336)[0] if incompatible & _EXT_64BIT else 0
    if log_size > _MAX_EXT_LOG:
        return None
    return Superblock("ext", UUID(bytes=raw[104:120]), (high << 32 | low) * (1024 << log_size))


def _xfs(head: bytes) -> Superblock | None:
    if len(head) < XFS_SECTOR or head[:4] != _XFS_MAGIC:
        return None
    block_size, blocks = struct.unpack_from(">IQ", head, 4)
    return Superblock("xfs", UUID(bytes=head[32:48]), block_size * blocks, head[126] != 0)


def _btrfs(head: bytes) -> Superblock | None:
    raw = head[_BTRFS_AT : _BTRFS_AT + 4096]
    if len(raw) < 4096 or raw[64:72] != _BTRFS_MAGIC:  # noqa: PLR2004
        return None
    # The item of this device (at 201) follows the fixed part: its ID, then its bytes.
    (size,) = struct.unpack_from("<Q", raw, 201 + 8)
    return Superblock("btrfs", UUID(bytes=raw[32:48]), size)
