"""Identifiers as values: parsed once at the edge, and from then on known to be safe.

What is accepted here is the reason why nothing further in has to worry about quotes, separators or
paths. A value's `text` is its canonical spelling.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import ClassVar, Self

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

SNAPSHOT_PREFIX = "snap-"
"""Snapshots of this driver carry it."""

_BANNED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SLOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}", re.ASCII)
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PVC_NAME = re.compile(f"pvc-{_UUID}", re.ASCII)
_SIMPLE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?", re.ASCII)
_SNAPSHOT_NAME = re.compile(f"snapshot-({_UUID})", re.ASCII)
_BARE_UUID = re.compile(_UUID, re.ASCII)
_DEVICE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_DRIVER_NAME = re.compile(r"(?=.{1,63}$)[a-z0-9A-Z]([a-z0-9A-Z.-]*[a-z0-9A-Z])?", re.ASCII)
_NODE_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]*[A-Za-z0-9])?", re.ASCII)
_NQN = re.compile(r"nqn\.[0-9]{4}-[0-9]{2}\.[A-Za-z0-9.-]+(?::[A-Za-z0-9._:-]+)?", re.ASCII)


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
        InvalidRequest: it is empty, longer than 128 bytes, or holds control characters other than
            white space.
    """
    if not name:
        raise InvalidRequest(f"{field} must not be empty")
    size = _utf8_size(field, name)
    if size > MAX_NAME_BYTES:
        raise InvalidRequest(f"{field} must be at most {MAX_NAME_BYTES} bytes, not {size}")
    if _BANNED.search(name):
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
class _OnDevice:
    """What lies on a device under a slot's name.

    Attributes:
        slot: the name on the device.
        device: which device; empty for the default one, whose IDs are the bare slots.
    """

    slot: Slot
    device: str = ""

    _FIELD: ClassVar[str] = "id"
    _MANAGED: ClassVar[re.Pattern[str]] = re.compile("(?!)")

    @classmethod
    def parse(cls, text: str, field: str = "") -> Self:
        """Read an ID from a request: a slot, and after `@` the device unless it is the default.

        Raises:
            InvalidRequest: it is empty, or nothing could ever have it.
        """
        slot, at, device = text.partition("@")
        field = field or cls._FIELD
        parsed = Slot.parse(slot, field)
        if at and not _DEVICE_NAME.fullmatch(device):
            raise InvalidRequest(f"{field} must name a device after '@', not {shown(device)}")
        return cls(parsed, device)

    @property
    def text(self) -> str:
        """The ID as it is spelled in requests and answers."""
        return f"{self.slot}@{self.device}" if self.device else self.slot.text

    @property
    def is_managed(self) -> bool:
        """Whether this driver could have made it.

        An ID that `from_name` never spells is somebody else's, even with the prefix: above all one
        with dots, which the names of copies have (`libs.core.images`).
        """
        return self._MANAGED.fullmatch(self.slot.text) is not None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class VolumeId(_OnDevice):
    """A volume's ID: its slot, and its device where that is not the default one."""

    _FIELD: ClassVar[str] = "volume_id"
    _MANAGED: ClassVar[re.Pattern[str]] = re.compile(r"(?:pvc|vol)-[a-z0-9-]+", re.ASCII)

    @classmethod
    def from_name(cls, name: str, field: str = "name", device: str = "") -> Self:
        """Return the ID of the volume with this name; two names never share an ID.

        `pvc-<uuid>`, as external-provisioner makes them, stays as it is. Another name of at most 48
        lower-case letters, digits and inner hyphens gets the prefix `vol-`; any other legal name
        becomes `vol--` and 160 bits of its SHA-256, which no name of the first two kinds can spell.

        Raises:
            InvalidRequest: the name is not a legal CSI name.
        """
        check_name(field, name)
        if _PVC_NAME.fullmatch(name):
            return cls(Slot(name), device)
        if _SIMPLE_NAME.fullmatch(name):
            return cls(Slot(OTHER_PREFIX + name), device)
        return cls(Slot(f"{OTHER_PREFIX}-{_digest(name)}"), device)


@dataclass(frozen=True, slots=True, order=True)
class SnapshotId(_OnDevice):
    """A snapshot's ID, spelled like a volume's; nothing is ever exported under it."""

    _FIELD: ClassVar[str] = "snapshot_id"
    _MANAGED: ClassVar[re.Pattern[str]] = re.compile(r"snap-[a-z0-9-]+", re.ASCII)

    @classmethod
    def from_name(cls, name: str, field: str = "name", device: str = "") -> Self:
        """Return the ID of the snapshot with this name; two names never share an ID.

        `snapshot-<uuid>`, as external-snapshotter makes them, becomes `snap-<uuid>`. Another name
        of at most 48 lower-case letters, digits and inner hyphens that is no bare UUID gets the
        prefix; any other legal name becomes `snap--` and 160 bits of its SHA-256.

        Raises:
            InvalidRequest: the name is not a legal CSI name.
        """
        check_name(field, name)
        if match := _SNAPSHOT_NAME.fullmatch(name):
            return cls(Slot(SNAPSHOT_PREFIX + match[1]), device)
        if _SIMPLE_NAME.fullmatch(name) and not _BARE_UUID.fullmatch(name):
            return cls(Slot(SNAPSHOT_PREFIX + name), device)
        return cls(Slot(f"{SNAPSHOT_PREFIX}-{_digest(name)}"), device)


def _digest(name: str) -> str:
    return base64.b32encode(hashlib.sha256(name.encode()).digest()[:20]).decode().lower()


def parse_device_name(text: str, field: str = "rds") -> str:
    """Return the name of a device, as settings, parameters and IDs spell it.

    Raises:
        InvalidRequest: it is not 1 to 32 lower-case letters, digits and inner hyphens.
    """
    if not _DEVICE_NAME.fullmatch(text):
        raise InvalidRequest(
            f"{field} must be 1 to 32 lower-case letters, digits and inner hyphens, "
            f"not {shown(text)}"
        )
    return text


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
        return cls.parse(f"{prefix}:{volume.slot}", field)

    def __str__(self) -> str:
        return self.text


def parse_nqn_prefix(text: str, field: str = "nqnPrefix") -> str:
    """Return what the NQNs of volumes begin with, up to and without the colon.

    Raises:
        InvalidRequest: no NQN could begin with it.
    """
    Nqn.of_volume(text, VolumeId(Slot("pvc-" + "0" * 36)), field)
    return text


def parse_driver_name(text: str, field: str = "the name") -> str:
    """Return the name of a CSI driver.

    Raises:
        InvalidRequest: GetPluginInfo may not answer with it.
    """
    if not _DRIVER_NAME.fullmatch(text):
        raise InvalidRequest(
            f"{field} must be at most 63 letters, digits, '.' and '-', with a letter or digit at "
            "both ends"
        )
    return text
