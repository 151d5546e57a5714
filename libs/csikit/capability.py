"""How a volume is to be used: CSI volume capabilities as values."""

from collections.abc import Iterable
from dataclasses import dataclass

from libs.core.errors import InvalidRequest
from libs.core.size import MIB
from libs.core.volumes import DEFAULT_FILESYSTEM, MIN_BYTES, check_filesystem
from protos.gen.csi import v1 as csi

Mode = csi.VolumeCapabilityAccessModeMode

SINGLE_NODE_MODES = frozenset(
    {
        Mode.SINGLE_NODE_WRITER,
        Mode.SINGLE_NODE_READER_ONLY,
        Mode.SINGLE_NODE_SINGLE_WRITER,
        Mode.SINGLE_NODE_MULTI_WRITER,
    }
)
SHARED_READ_MODES = frozenset({Mode.MULTI_NODE_READER_ONLY})
BLOCK_ONLY_MODES = frozenset({Mode.MULTI_NODE_MULTI_WRITER})

MIN_BLOCK_BYTES = MIB


@dataclass(frozen=True, slots=True)
class Capability:
    """One way in which a volume is to be used; `fs_type` is empty for a raw block device."""

    mode: Mode
    fs_type: str

    @property
    def is_block(self) -> bool:
        """Whether the volume is used as a raw block device."""
        return not self.fs_type

    @property
    def min_bytes(self) -> int:
        """Bytes that a volume needs at least to be used so."""
        return MIN_BYTES.get(self.fs_type, MIN_BLOCK_BYTES)

    def __str__(self) -> str:
        return f"{_mode_name(self.mode)} {self.fs_type or 'raw block'}"


def parse_capability(
    capability: csi.VolumeCapability | None, default_fs: str = DEFAULT_FILESYSTEM
) -> Capability:
    """Read one volume capability.

    Raises:
        InvalidRequest: it is missing or incomplete, or this driver cannot offer it.
    """
    field = "volume_capability"
    if capability is None:
        raise InvalidRequest(f"{field} must be given")
    if (capability.block is None) == (capability.mount is None):
        raise InvalidRequest(f"{field} must have exactly one of block and mount")
    mode = capability.access_mode.mode if capability.access_mode else Mode.UNKNOWN
    if mode not in SINGLE_NODE_MODES | SHARED_READ_MODES | BLOCK_ONLY_MODES:
        raise InvalidRequest(
            f"{field}.access_mode {_mode_name(mode)} is not supported; supported are "
            "SINGLE_NODE_WRITER, SINGLE_NODE_SINGLE_WRITER, SINGLE_NODE_MULTI_WRITER, "
            "SINGLE_NODE_READER_ONLY, MULTI_NODE_READER_ONLY, and MULTI_NODE_MULTI_WRITER for "
            "raw block volumes"
        )
    if capability.mount is None:
        return Capability(mode, "")
    if mode in BLOCK_ONLY_MODES:
        raise InvalidRequest(
            f"{field}.access_mode {_mode_name(mode)} is for raw block volumes only: a filesystem "
            "that two nodes mount for writing is destroyed"
        )
    fs_type = check_filesystem(f"{field}.mount.fs_type", capability.mount.fs_type or default_fs)
    return Capability(mode, fs_type)


def _mode_name(mode: Mode) -> str:
    return mode.name or str(int(mode))


def parse_capabilities(
    capabilities: Iterable[csi.VolumeCapability], default_fs: str = DEFAULT_FILESYSTEM
) -> tuple[Capability, ...]:
    """Read the capabilities of a request, of which there must be at least one.

    Raises:
        InvalidRequest: there is none, or one is not supported.
    """
    parsed = tuple(parse_capability(capability, default_fs) for capability in capabilities)
    if not parsed:
        raise InvalidRequest("volume_capabilities must not be empty")
    return parsed
