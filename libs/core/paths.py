"""Paths on the device, parsed once and from then on known to be safe."""

import re
from dataclasses import dataclass
from typing import Self

from libs.core.errors import InvalidRequest
from libs.core.ids import Slot, shown

IMAGE_SUFFIX = ".img"
"""A volume's backing file is its slot with this ending."""

_PATH_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_MAX_PATH = 255


@dataclass(frozen=True, slots=True, order=True)
class DevicePath:
    """An absolute path on the device, in the one spelling that it can have.

    Components are ASCII letters, digits, `.`, `_` and `-` and do not begin with a dot or hyphen, so
    neither `..` nor an empty component nor an encoding trick can lead elsewhere.
    """

    text: str

    @classmethod
    def parse(cls, text: str, field: str = "volumePath") -> Self:
        """Read a path from a request or a setting; one trailing slash is forgiven.

        Raises:
            InvalidRequest: it is not absolute, too long, or has a component that is not allowed.
        """
        trimmed = text.removesuffix("/")
        if not trimmed.startswith("/"):
            raise InvalidRequest(f"{field} must be an absolute path such as /pool/volumes")
        if len(trimmed) > _MAX_PATH:
            raise InvalidRequest(f"{field} must be at most {_MAX_PATH} characters")
        for component in trimmed[1:].split("/"):
            if not _PATH_COMPONENT.fullmatch(component):
                raise InvalidRequest(
                    f"{field} must be made of components of letters, digits, '.', '_' and '-' that "
                    f"start with a letter, digit or '_'; {shown(component)} is not one"
                )
        return cls(trimmed)

    @property
    def pool(self) -> str:
        """The mount point of the pool: the first component."""
        return self.text[1:].split("/", 1)[0]

    @property
    def file_name(self) -> str:
        """The spelling of `/file`: without the leading slash."""
        return self.text[1:]

    @property
    def parent(self) -> "DevicePath":
        """The directory that this lies in; a pool is its own parent."""
        return DevicePath(self.text.rsplit("/", 1)[0] or self.text)

    def image_of(self, slot: Slot) -> "DevicePath":
        """Return the path of the backing file of a slot's disk in this directory."""
        return DevicePath.parse(f"{self.text}/{slot.text}{IMAGE_SUFFIX}")

    def __str__(self) -> str:
        return self.text
