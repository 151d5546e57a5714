"""Superblocks that mkfs made, read; the tools write to small files."""

import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.size import MIB
from libs.nvmeof.superblock import HEAD, Superblock, parse_superblock

OURS = UUID("6a1c5c1e-7e2f-4a56-9b1f-0d3d6f7b8a90")
MADE = {
    "ext2 in blocks of 1 KiB": (("mkfs.ext2", "-b", "1024"), "ext", 8 * MIB),
    "ext3": (("mkfs.ext3",), "ext", 16 * MIB),
    "ext4 in blocks of 1 KiB": (("mkfs.ext4", "-b", "1024"), "ext", 16 * MIB),
    "ext4 in blocks of 4 KiB": (("mkfs.ext4", "-b", "4096"), "ext", 16 * MIB),
    "ext4 with 64 bits": (("mkfs.ext4", "-O", "64bit"), "ext", 64 * MIB),
    "ext4 without 64 bits": (("mkfs.ext4", "-O", "^64bit,^metadata_csum"), "ext", 64 * MIB),
    "xfs": (("mkfs.xfs", "-K"), "xfs", 320 * MIB),
    "btrfs": (("mkfs.btrfs", "-K"), "btrfs", 160 * MIB),
}


def make(path: Path, argv: tuple[str, ...], size: int) -> bytes:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"this host has no {argv[0]}")
    with path.open("wb") as file:
        file.truncate(size)
    uuid = ("-m", f"uuid={OURS}") if argv[0] == "mkfs.xfs" else ("-U", str(OURS))
    subprocess.run([*argv, "-q", *uuid, str(path)], check=True, capture_output=True)  # noqa: S603 (our own words)
    with path.open("rb") as file:
        return file.read(HEAD)


def ext(log_size: int = 2, high: int = 0, incompatible: int = 0x80) -> bytes:
    raw = bytearray(1024)
    raw[4:8] = (1000).to_bytes(4, "little")
    raw[24:28] = log_size.to_bytes(4, "little")
    raw[56:58] = (0xEF53).to_bytes(2, "little")
    raw[96:100] = incompatible.to_bytes(4, "little")
    raw[104:120] = OURS.bytes
    raw[336:340] = high.to_bytes(4, "little")
    return bytes(1024) + bytes(raw)


def xfs(unfinished: int = 0) -> bytes:
    raw = bytearray(512)
    raw[:4] = b"XFSB"
    raw[4:8] = (4096).to_bytes(4, "big")
    raw[8:16] = (1000).to_bytes(8, "big")
    raw[32:48] = OURS.bytes
    raw[126] = unfinished
    return bytes(raw)


def btrfs() -> bytes:
    raw = bytearray(4096)
    raw[32:48] = OURS.bytes
    raw[64:72] = b"_BHRfS_M"
    raw[209:217] = (4_096_000).to_bytes(8, "little")
    return bytes(64 * 1024) + bytes(raw)


@pytest.mark.parametrize("name", MADE)
def test_a_filesystem_is_read_as_it_was_made(name: str, tmp_path: Path) -> None:
    argv, kind, size = MADE[name]

    head = make(tmp_path / "image", argv, size)

    assert parse_superblock(head) == Superblock(kind, OURS, size)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (ext(), Superblock("ext", OURS, 4_096_000)),
        (ext(high=1), Superblock("ext", OURS, (2**32 + 1000) * 4096)),
        (ext(high=1, incompatible=0), Superblock("ext", OURS, 4_096_000)),
        (xfs(), Superblock("xfs", OURS, 4_096_000)),
        (xfs(1), Superblock("xfs", OURS, 4_096_000, unfinished=True)),
        (btrfs(), Superblock("btrfs", OURS, 4_096_000)),
        (ext(high=1, incompatible=0x7F), Superblock("ext", OURS, 4_096_000)),
        (ext(log_size=6), Superblock("ext", OURS, 65_536_000)),
        (ext(log_size=7), None),
        (bytes(HEAD), None),
        (b"", None),
    ],
)
def test_the_bytes_mean_what_the_kernel_means(head: bytes, found: Superblock | None) -> None:
    assert parse_superblock(head) == found


@pytest.mark.parametrize("head", [ext(), xfs(), btrfs()], ids=["ext", "xfs", "btrfs"])
@pytest.mark.parametrize("missing", [1, 300])
def test_a_superblock_whose_end_is_missing_is_not_read(head: bytes, missing: int) -> None:
    assert parse_superblock(head[:-missing]) is None


def test_the_magic_of_btrfs_without_the_rest_is_not_read() -> None:
    assert parse_superblock(btrfs()[: 64 * 1024 + 72]) is None


@given(st.sampled_from([ext(), xfs(), btrfs()]), st.integers(0, 70_000))
def test_a_head_that_was_cut_off_is_read_whole_or_not_at_all(head: bytes, size: int) -> None:
    assert parse_superblock(head[:size]) in {None, parse_superblock(head)}


@given(st.sampled_from([ext(), xfs(), btrfs()]), st.data())
def test_anything_is_read_without_an_error(head: bytes, data: st.DataObject) -> None:
    spoilt = bytearray(head)
    start = data.draw(st.sampled_from([0, 1024, 64 * 1024]).filter(lambda at: at < len(head)))
    for _ in range(4):
        spoilt[start + data.draw(st.integers(0, 340))] = data.draw(st.integers(0, 255))

    found = parse_superblock(bytes(spoilt))

    assert found is None or found.size >= 0


@given(st.binary(max_size=3000))
def test_garbage_is_no_filesystem(head: bytes) -> None:
    found = parse_superblock(head)

    assert found is None or head[:4] == b"XFSB" or head[1080:1082] == b"\x53\xef"
