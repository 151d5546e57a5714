"""Identifiers as values: parsed once at the edge, and from then on known to be safe.

What is accepted here is the reason why nothing further in has to worry about quotes, separators or
paths. A value's `text` is its canonical spelling.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Self

from libs.core.errors import InvalidRequest

MAX_NAME_BYTES = 128
"""CSI: a name in a request is at most 128 bytes."""

MAX_NODE_ID_BYTES = 256
"""CSI 1.12: a node ID is at most 256 bytes."""

MAX_NQN_BYTES = 223
"""NVMe base specification: an NQN is at most 223 bytes."""

PVC_PREFIX = "pvc-"
OTHER_PREFIX = "vol-"
MANAGED_PREFIXES = (PVC_PREFIX, OTHER_PREFIX)
"""Volumes of this driver carry one of these; anything else on the device is somebody else's."""

IMAGE_SUFFIX = ".img"
"""A volume's backing file is its slot with this ending."""

_SLOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}", re.ASCII)
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PVC_NAME = re.compile(f"pvc-{_UUID}", re.ASCII)
_SIMPLE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?", re.ASCII)
_NODE_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]*[A-Za-z0-9])?", re.ASCII)
_NQN = re.compile(r"nqn\.[0-9]{4}-[0-9]{2}\.[A-Za-z0-9.-]+(?::[A-Za-z0-9._:-]+)?", re.ASCII)
_PATH_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_MAX_PATH = 255


def shown(text: str) -> str:
    """Return `text` for a message: quoted, on one line, and cut where it is long."""
    return repr(text if len(text) <= 64 else text[:61] + "...")  # noqa: PLR2004 (a line's width)


def _utf8_size(field: str, text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidRequest(f"{field} must be valid UTF-8") from None


def check_name(field: str, name: str) -> str:
    """Return a name that a caller chose, checked against the rules of the CSI specification.

    Raises:
        InvalidRequest: it is empty, longer than 128 bytes, or holds control characters.
    """
    if not name:
        raise InvalidRequest(f"{field} must not be empty")
    size = _utf8_size(field, name)
    if size > MAX_NAME_BYTES:
        raise InvalidRequest(f"{field} must be at most {MAX_NAME_BYTES} bytes, not {size}")
    if not name.isprintable():
        raise InvalidRequest(f"{field} must not hold control characters: {shown(name)}")
    return name


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """The name of a disk item on the device."""

    text: str

    @classmethod
    def parse(cls, text: str, field: str = "slot") -> Self:
        """Read a slot name.

        Raises:
            InvalidRequest: it is empty, or has characters that this driver never uses in one.
        """
        if not text:
            raise InvalidRequest(f"{field} must not be empty")
        if not _SLOT.fullmatch(text):
            raise InvalidRequest(
                f"{field} must be 1 to 127 letters, digits, '.', '_' or '-', starting with a "
                f"letter or digit, not {shown(text)}"
            )
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class VolumeId:
    """A volume's ID, which is also its slot on the device."""

    text: str

    @classmethod
    def parse(cls, text: str, field: str = "volume_id") -> Self:
        """Read an ID from a request.

        Raises:
            InvalidRequest: it is empty, or no volume could ever have it.
        """
        return cls(Slot.parse(text, field).text)

    @classmethod
    def from_name(cls, name: str, field: str = "name") -> Self:
        """Return the ID of the volume with this name; two names never share an ID.

        `pvc-<uuid>`, as external-provisioner makes them, stays as it is. Another name of at most 48
        lower-case letters, digits and inner hyphens gets the prefix `vol-`; any other legal name
        becomes `vol--` and 160 bits of its SHA-256, which no name of the first two kinds can spell.

        Raises:
            InvalidRequest: the name is not a legal CSI name.
        """
        check_name(field, name)
        if _PVC_NAME.fullmatch(name):
            return cls(name)
        if _SIMPLE_NAME.fullmatch(name):
            return cls(OTHER_PREFIX + name)
        digest = hashlib.sha256(name.encode()).digest()[:20]
        return cls(f"{OTHER_PREFIX}-{base64.b32encode(digest).decode().lower()}")

    @property
    def slot(self) -> Slot:
        """The slot of the volume's disk item."""
        return Slot(self.text)

    @property
    def is_managed(self) -> bool:
        """Whether this driver could have made the volume."""
        return self.text.startswith(MANAGED_PREFIXES)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class NodeId:
    """A node's ID: the name of its Node object."""

    text: str

    @classmethod
    def parse(cls, text: str, field: str = "node_id") -> Self:
        """Read a node ID from a request.

        Raises:
            InvalidRequest: it is empty, too long, or has characters that no node name has.
        """
        if not text:
            raise InvalidRequest(f"{field} must not be empty")
        size = _utf8_size(field, text)
        if size > MAX_NODE_ID_BYTES:
            raise InvalidRequest(f"{field} must be at most {MAX_NODE_ID_BYTES} bytes, not {size}")
        if not _NODE_ID.fullmatch(text):
            raise InvalidRequest(
                f"{field} must be letters, digits, '.', '_', ':' and '-', starting and ending "
                f"with a letter or digit, not {shown(text)}"
            )
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class Nqn:
    """An NVMe qualified name."""

    text: str

    @classmethod
    def parse(cls, text: str, field: str = "nqn") -> Self:
        """Read an NQN.

        Raises:
            InvalidRequest: it is not of the form `nqn.yyyy-mm.reverse.domain[:rest]`, or longer
                than 223 bytes (NVMe base specification).
        """
        if len(text) > MAX_NQN_BYTES:
            raise InvalidRequest(f"{field} must be at most {MAX_NQN_BYTES} bytes, not {len(text)}")
        if not _NQN.fullmatch(text):
            raise InvalidRequest(
                f"{field} must be of the form nqn.yyyy-mm.reverse.domain:name, not {shown(text)}"
            )
        return cls(text)

    @classmethod
    def of_volume(cls, prefix: str, volume: VolumeId, field: str = "nqnPrefix") -> Self:
        """Return the NQN under which a volume is exported."""
        return cls.parse(f"{prefix}:{volume.text}", field)

    def __str__(self) -> str:
        return self.text


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
