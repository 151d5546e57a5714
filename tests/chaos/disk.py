"""What pods do with a volume: write blocks and fsync them, and read them again. It blocks."""

import os
from pathlib import Path

from libs.nvmeof.superblock import HEAD, parse_superblock
from tests.chaos.pattern import BLOCK, EMPTY, SLOTS, parse, render

DATA = "data"
"""The file in a filesystem."""


def write_block(path: Path, block: int, mark: str, *, raw: bool) -> None:
    """Write a block; it is on the device when this returns.

    Raises:
        OSError: it may be there, or not, or in part.
    """
    place = path if raw else path / DATA
    descriptor = os.open(place, os.O_WRONLY | (0 if raw else os.O_CREAT), 0o600)
    try:
        os.pwrite(descriptor, render(mark), block * BLOCK)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not raw:
        directory = os.open(path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def read_blocks(path: Path, *, raw: bool) -> dict[int, str]:
    """Return what the blocks of a volume hold.

    Raises:
        OSError: they cannot be read.
    """
    place = path if raw else path / DATA
    if not raw and not place.exists():
        return dict.fromkeys(range(SLOTS), EMPTY)
    with place.open("rb") as file:
        return {number: parse(file.read(BLOCK)) for number in range(SLOTS)}


def filesystem_of(image: Path) -> str:
    """Return the UUID of the filesystem in a volume's file; nothing where there is none.

    Raises:
        OSError: it cannot be read.
    """
    with image.open("rb") as file:
        found = parse_superblock(file.read(HEAD))
    return str(found.uuid) if found else ""
