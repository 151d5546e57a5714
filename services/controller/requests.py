"""From CSI requests to values: everything that a caller sends is checked here, once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from libs.core.errors import InvalidRequest, StaleToken
from libs.core.ids import DevicePath, NodeId, Nqn, VolumeId, shown
from libs.core.size import MIB, CapacityRange
from protos.gen.csi import v1 as csi
from services.controller.config import ControllerSettings, parse_host, parse_nqn_prefix, parse_port

T = TypeVar("T")

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

DEFAULT_FILESYSTEM = "ext4"
MIN_BYTES = {"ext4": 16 * MIB, "ext3": 16 * MIB, "xfs": 300 * MIB, "btrfs": 128 * MIB}
"""Smallest volume on which the tools make that filesystem: mkfs.xfs asks for 300 MiB, mkfs.btrfs
for about 110 MiB."""
MIN_BLOCK_BYTES = MIB

MAX_PAGE = 500
"""Volumes in one answer: encoding a page holds the event loop, about 20 ms at this size."""

_SIDECAR_PREFIX = "csi.storage.k8s.io/"
_FS_TYPE_KEYS = ("fsType", _SIDECAR_PREFIX + "fstype")
_KNOWN_KEYS = ("volumePath", "nvmeAddress", "nvmePort", "nqnPrefix", "fsType")


@dataclass(frozen=True, slots=True)
class Capability:
    """One way in which a volume is to be used; `fs_type` is empty for a raw block device."""

    mode: Mode
    fs_type: str

    @property
    def is_block(self) -> bool:
        """Whether the volume is used as a raw block device."""
        return not self.fs_type


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a StorageClass, with the driver's settings for what they leave out."""

    directory: DevicePath
    nvme_address: str
    nvme_port: int
    nqn_prefix: str
    fs_type: str


@dataclass(frozen=True, slots=True)
class NewVolume:
    """What CreateVolume asks for."""

    volume: VolumeId
    size: CapacityRange
    min_bytes: int
    parameters: Parameters
    nqn: Nqn
    path: DevicePath


@dataclass(frozen=True, slots=True)
class Publication:
    """What ControllerPublishVolume asks for; `nvme_address` as the volume's context has it."""

    volume: VolumeId
    node: NodeId
    capability: Capability
    nvme_address: str


@dataclass(frozen=True, slots=True)
class Expansion:
    """What ControllerExpandVolume asks for.

    Attributes:
        volume: the volume.
        size: the range of sizes that will do.
        node_expansion_required: False only for a volume that is known to be used as a raw block
            device: nobody but the node can grow a filesystem.
    """

    volume: VolumeId
    size: CapacityRange
    node_expansion_required: bool


def parse_parameters(given: Mapping[str, str], settings: ControllerSettings) -> Parameters:
    """Read the parameters of a StorageClass.

    Raises:
        InvalidRequest: a key is unknown, or a value breaks the rule that the message says.
    """
    unknown = [k for k in given if k not in _KNOWN_KEYS and not k.startswith(_SIDECAR_PREFIX)]
    if unknown:
        raise InvalidRequest(
            f"parameters has unknown keys {', '.join(shown(key) for key in sorted(unknown))}; "
            f"known are {', '.join(_KNOWN_KEYS)}"
        )
    fs_type = next((given[key] for key in _FS_TYPE_KEYS if given.get(key)), DEFAULT_FILESYSTEM)
    return Parameters(
        directory=_directory(given.get("volumePath", ""), settings),
        nvme_address=_given(given, "nvmeAddress", parse_host, settings.nvme_address),
        nvme_port=_given(given, "nvmePort", parse_port, settings.nvme_port),
        nqn_prefix=_given(given, "nqnPrefix", parse_nqn_prefix, settings.nqn_prefix),
        fs_type=_check_filesystem("parameters.fsType", fs_type),
    )


def _given(given: Mapping[str, str], key: str, parse: Callable[[str, str], T], default: T) -> T:
    return parse(given[key], f"parameters.{key}") if key in given else default


def _directory(text: str, settings: ControllerSettings) -> DevicePath:
    if not text:
        return settings.volume_base_paths[0]
    path = DevicePath.parse(text, "parameters.volumePath")
    if path not in settings.volume_base_paths:
        allowed = ", ".join(str(base) for base in settings.volume_base_paths)
        raise InvalidRequest(
            f"parameters.volumePath must be one of the directories that the driver may use "
            f"({allowed}), not {path}"
        )
    return path


def _check_filesystem(field: str, fs_type: str) -> str:
    if fs_type not in MIN_BYTES:
        raise InvalidRequest(f"{field} must be one of {', '.join(MIN_BYTES)}, not {shown(fs_type)}")
    return fs_type


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
    fs_type = _check_filesystem(f"{field}.mount.fs_type", capability.mount.fs_type or default_fs)
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


def parse_range(given: csi.CapacityRange | None) -> CapacityRange:
    """Read a capacity range; none at all leaves both ends open."""
    return CapacityRange(given.required_bytes, given.limit_bytes) if given else CapacityRange()


def parse_create(request: csi.CreateVolumeRequest, settings: ControllerSettings) -> NewVolume:
    """Read a CreateVolume request.

    Raises:
        InvalidRequest: with the field and the rule that it breaks.
    """
    volume = VolumeId.from_name(request.name)
    parameters = parse_parameters(request.parameters, settings)
    capabilities = parse_capabilities(request.volume_capabilities, parameters.fs_type)
    if request.volume_content_source is not None:
        raise InvalidRequest("volume_content_source is not supported yet")
    if request.mutable_parameters:
        raise InvalidRequest("mutable_parameters are not supported yet")
    return NewVolume(
        volume=volume,
        size=parse_range(request.capacity_range),
        min_bytes=max(MIN_BYTES.get(c.fs_type, MIN_BLOCK_BYTES) for c in capabilities),
        parameters=parameters,
        nqn=Nqn.of_volume(parameters.nqn_prefix, volume),
        path=parameters.directory.image_of(volume.slot),
    )


def parse_publish(
    request: csi.ControllerPublishVolumeRequest, settings: ControllerSettings
) -> Publication:
    """Read a ControllerPublishVolume request.

    Raises:
        InvalidRequest: with the field and the rule that it breaks.
    """
    address = request.volume_context.get("nvmeAddress", settings.nvme_address)
    return Publication(
        volume=VolumeId.parse(request.volume_id),
        node=NodeId.parse(request.node_id),
        capability=parse_capability(request.volume_capability),
        nvme_address=parse_host(address, "volume_context.nvmeAddress"),
    )


def parse_expand(request: csi.ControllerExpandVolumeRequest) -> Expansion:
    """Read a ControllerExpandVolume request.

    Raises:
        InvalidRequest: with the field and the rule that it breaks.
    """
    volume = VolumeId.parse(request.volume_id)
    if request.capacity_range is None:
        raise InvalidRequest("capacity_range must be given")
    capability = request.volume_capability
    return Expansion(
        volume=volume,
        size=parse_range(request.capacity_range),
        node_expansion_required=capability is None or capability.block is None,
    )


def parse_page(request: csi.ListVolumesRequest) -> tuple[int, str]:
    """Read how many entries are wanted, and the ID after which they begin.

    Raises:
        InvalidRequest: `max_entries` is negative.
        StaleToken: the token is not one that this driver gave.
    """
    if request.max_entries < 0:
        raise InvalidRequest(f"max_entries must not be negative, not {request.max_entries}")
    token = request.starting_token
    if token:
        try:
            known = VolumeId.parse(token).is_managed
        except InvalidRequest:
            known = False
        if not known:
            raise StaleToken("starting_token is not one that this driver gave; start again")
    return min(request.max_entries or MAX_PAGE, MAX_PAGE), token
