"""Where the bytes of a volume or snapshot lie, and what the name of that place tells.

The device keeps no notes for us, so what has to be known after a restart is in names: that of a
copy says what it was copied from, when, and how many bytes it has to have before it is complete.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Self

from libs.core.errors import InvalidRequest
from libs.core.ids import Slot
from libs.core.paths import IMAGE_SUFFIX, DevicePath

INNER_NAME = "volume" + IMAGE_SUFFIX
"""The one file in a subvolume; its name stays when the subvolume is cloned."""

# Numbers without leading zeros, as they are written: a path that is read must be the one that is
# rendered, because removals aim at the rendered one.
_STEM = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*?)"
    r"(?:[.](?P<made>0|[1-9a-f][0-9a-f]{0,8})-(?P<size>0|[1-9a-f][0-9a-f]{0,15})"
    r"[.]of[.](?P<source>[A-Za-z0-9._-]+))?",
    re.ASCII,
)


class Layout(Enum):
    """How volumes lie in a pool."""

    FILE = "file"
    """Each is a file in a directory."""

    SUBVOLUME = "subvolume"
    """Each is a file alone in a Btrfs subvolume of its own."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What something was copied from.

    Attributes:
        made: when the copy began, in seconds since 1970.
        size: how many bytes a complete copy has.
        source: the slot of the volume or the name of the snapshot.
    """

    made: int
    size: int
    source: str


@dataclass(frozen=True, slots=True)
class Image:
    """The place of one volume's or snapshot's bytes."""

    directory: DevicePath
    slot: Slot
    origin: Origin | None = None
    layout: Layout = Layout.FILE

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """Read the path of a backing file; None for one that this driver would not choose."""
        directory, _, name = path.rpartition("/")
        layout = Layout.FILE
        if name == INNER_NAME:
            layout = Layout.SUBVOLUME
            directory, _, stem = directory.rpartition("/")
        elif name.endswith(IMAGE_SUFFIX):
            stem = name.removesuffix(IMAGE_SUFFIX)
        else:
            return None
        match = _STEM.fullmatch(stem)
        if match is None:
            return None
        try:
            image = cls(DevicePath.parse(directory), Slot(match["name"]), _origin(match), layout)
            read = image.path.text
        except InvalidRequest:
            return None
        return image if read == path else None

    @property
    def stem(self) -> str:
        """The name that carries what is to be known."""
        if self.origin is None:
            return self.slot.text
        origin = self.origin
        return f"{self.slot}.{origin.made:x}-{origin.size:x}.of.{origin.source}"

    @property
    def path(self) -> DevicePath:
        """The backing file.

        Raises:
            InvalidRequest: it is too long.
        """
        ending = "/" + INNER_NAME if self.layout is Layout.SUBVOLUME else IMAGE_SUFFIX
        return DevicePath.parse(f"{self.directory}/{self.stem}{ending}")

    @property
    def subvolume(self) -> str:
        """The subvolume's name in its filesystem; empty where there is none."""
        if self.layout is Layout.FILE:
            return ""
        return f"{self.directory}/{self.stem}".split("/", 2)[2]


def _origin(match: "re.Match[str]") -> Origin | None:
    if match["source"] is None:
        return None
    return Origin(int(match["made"], 16), int(match["size"], 16), match["source"])
