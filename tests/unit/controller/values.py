"""Values that the controller's tests share."""

from pathlib import Path

from libs.core.ids import DevicePath, Slot
from libs.core.size import GIB, TIB
from libs.rdsclient.model import BackingFile, Export, FileDisk, Pool, SlotState
from protos.gen.csi import v1 as csi
from services.controller.config import ControllerSettings
from services.controller.plan import Limits

NAME = "pvc-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
BASE = DevicePath.parse("/raid10/volumes")
OTHER_BASE = DevicePath.parse("/ssd/volumes")
LIMITS = Limits(default=GIB, maximum=64 * TIB)
SETTINGS = ControllerSettings(
    rds_address="192.0.2.1",
    rds_key_file=Path("/key"),
    rds_host_key_file=Path("/host-key"),
    nvme_address="192.0.2.2",
    volume_base_paths=(BASE, OTHER_BASE),
)
NQN = f"nqn.2000-02.com.mikrotik:{NAME}"

Mode = csi.VolumeCapabilityAccessModeMode


def mount(mode: Mode = Mode.SINGLE_NODE_WRITER, fs_type: str = "") -> csi.VolumeCapability:
    return csi.VolumeCapability(
        mount=csi.VolumeCapabilityMountVolume(fs_type=fs_type),
        access_mode=csi.VolumeCapabilityAccessMode(mode=mode),
    )


def block(mode: Mode = Mode.SINGLE_NODE_WRITER) -> csi.VolumeCapability:
    return csi.VolumeCapability(
        block=csi.VolumeCapabilityBlockVolume(),
        access_mode=csi.VolumeCapabilityAccessMode(mode=mode),
    )


def create_request(  # noqa: PLR0913 (one per field of the message)
    name: str = NAME,
    *,
    required: int = GIB,
    limit: int = 0,
    parameters: dict[str, str] | None = None,
    capability: csi.VolumeCapability | None = None,
    mutable: dict[str, str] | None = None,
) -> csi.CreateVolumeRequest:
    return csi.CreateVolumeRequest(
        name=name,
        capacity_range=csi.CapacityRange(required_bytes=required, limit_bytes=limit),
        volume_capabilities=[capability or mount()],
        parameters=parameters or {},
        mutable_parameters=mutable or {},
    )


def disk(size: int = GIB, *, exported: bool = True, path: str = "") -> FileDisk:
    return FileDisk(
        slot=NAME,
        path=path or f"{BASE}/{NAME}.img",
        size=size,
        export=Export(NQN, 4420) if exported else None,
    )


def state(
    found: FileDisk | None = None, *, files: tuple[str, ...] = (), free: int | None = 10 * GIB
) -> SlotState:
    return SlotState(
        slot=Slot.parse(NAME),
        disk=found,
        files=tuple(BackingFile(file) for file in files),
        pool=None if free is None else Pool("raid10", 100 * GIB, free),
        asked_pool="raid10",
    )
