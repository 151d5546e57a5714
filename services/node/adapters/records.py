"""The records of a node's volumes, a file for each, written whole or not at all."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import structlog

from libs.core.errors import RdsCsiError, Refused
from libs.core.ids import VolumeId
from services.node.volume import Record

log = structlog.get_logger(__name__)

_UNIQUE = re.compile(r"pvc-[0-9a-f-]{36}", re.ASCII)
_MOST_MARKS = 10_000


class Records:
    """What the node knows of its volumes, in memory and on disk. Made by `open_records`.

    A record is written before the first thing is done for a volume, and removed after the last was
    undone: whatever the plugin was doing when it was killed, the record says what there may be.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._volumes = directory / "volumes"
        self._formatted = directory / "formatted"
        self._known: dict[VolumeId, Record] = {}

    def get(self, volume: VolumeId) -> Record | None:
        """Return what is known of a volume."""
        return self._known.get(volume)

    def all(self) -> tuple[Record, ...]:
        """Return all records."""
        return tuple(self._known.values())

    async def put(self, record: Record) -> None:
        """Keep a record.

        Raises:
            Refused: it cannot be written; nothing must be done for the volume then.
        """
        if self._known.get(record.volume) == record:
            return
        text = json.dumps(record.to_json(), indent=1)
        await self._write(self._volumes / f"{record.volume.text}.json", text)
        self._known[record.volume] = record

    async def drop(self, volume: VolumeId) -> None:
        """Forget a volume.

        Raises:
            Refused: its record cannot be removed.
        """
        if volume in self._known:
            try:
                await asyncio.to_thread(_remove, self._volumes / f"{volume.text}.json")
            except OSError as error:
                raise _unwritable(self._directory, error) from error
            del self._known[volume]

    async def was_formatted(self, volume: VolumeId) -> str:
        """Return what was written when this node had a volume in use; nothing if it never had.

        Raises:
            Refused: it cannot be read; the volume must not be formatted then.
        """
        try:
            return await asyncio.to_thread((self._formatted / volume.text).read_text)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise _unwritable(self._directory, error) from error

    async def mark_formatted(self, volume: VolumeId, text: str) -> None:
        """Keep for good what this node used a volume as, if its ID is never used again.

        Raises:
            Refused: that cannot be written.
        """
        if _UNIQUE.fullmatch(volume.slot.text):
            await self._write(self._formatted / volume.text, text)

    async def load(self) -> None:
        """Read the records of an earlier process.

        Raises:
            Refused: the directory cannot be used.
        """
        try:
            await asyncio.to_thread(self._load)
        except OSError as error:
            raise _unwritable(self._directory, error) from error

    def _load(self) -> None:
        for directory in (self._volumes, self._formatted):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in directory.glob(".*.new"):
                leftover.unlink()
        self._known = {record.volume: record for record in self._read_all()}
        marks = sorted(self._formatted.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in marks[:-_MOST_MARKS]:
            path.unlink()

    def _read_all(self) -> Iterator[Record]:
        for path in sorted(self._volumes.glob("*.json")):
            try:
                yield Record.from_json(json.loads(path.read_text()))
            except (KeyError, TypeError, ValueError, RdsCsiError) as error:
                log.warning("unreadable record is set aside", file=str(path), why=repr(error))
                path.replace(path.with_suffix(".unreadable"))

    async def _write(self, path: Path, text: str) -> None:
        try:
            await asyncio.to_thread(_write, path, text)
        except OSError as error:
            raise _unwritable(self._directory, error) from error


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync(path.parent)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(directory: Path, error: OSError) -> Refused:
    return Refused(
        f"the state directory {directory} cannot be used: {error.strerror}", detail=repr(error)
    )


async def open_records(directory: Path) -> Records:
    """Return the records in a directory, which is made where it is missing.

    Raises:
        Refused: the directory cannot be used.
    """
    records = Records(directory)
    await records.load()
    return records
