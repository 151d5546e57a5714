"""What tells the state of an item on a device from any other state of it. Pure."""

import hashlib
import json
from enum import Enum

from libs.core.images import INNER_NAME, Image
from libs.rdsclient.model import FileDisk, SlotState

_DIGITS = 32
"""Hexadecimal digits of a fingerprint: 128 bits, since it guards against change and not attack."""


class Kind(Enum):
    """What an item is."""

    VOLUME = "volume"
    SNAPSHOT = "snapshot"
    FILE = "file"
    SUBVOLUME = "subvolume"


def fingerprint(kind: Kind, name: str, seen: SlotState) -> str:
    """Return what tells an item's state from any other state of it.

    The same for one reading of everything and for one of its slot alone, and over restarts. Room in
    the pools is left out; copies of the item, and disks of others that use its file, are not.

    Args:
        kind: what the item is.
        name: its slot or its path.
        seen: the state of its slot, within the directories that the driver may use.
    """
    own = seen.slot.text
    text = json.dumps(
        [
            kind.value,
            name,
            _disk(seen.disk) if seen.disk else None,
            sorted([file.path, file.size] for file in seen.files),
            sorted([file.path, file.size] for file in seen.copies if _is_copy(file.path, own)),
            sorted(_disk(user) for user in seen.users),
            sorted([sub.label, sub.name, sub.parent, sub.frozen] for sub in seen.subvolumes),
            sorted(
                [sub.label, sub.name]
                for sub in seen.branches
                if _is_copy(f"/{sub.label}/{sub.name}/{INNER_NAME}", own)
            ),
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _disk(disk: FileDisk) -> list[object]:
    export = disk.export
    told = [export.nqn, export.port, export.allowed_host] if export else None
    return [disk.slot, disk.path, disk.size, told, disk.is_restricted]


def _is_copy(path: str, source: str) -> bool:
    image = Image.parse(path)
    return image is not None and image.origin is not None and image.origin.source == source
