"""Values that the controller's tests share."""

from pathlib import Path

from libs.core.ids import NodeId, Slot, VolumeId
from libs.core.paths import DevicePath
from libs.core.size import GIB, TIB
from libs.csikit.capability import parse_capability
from libs.rdsclient.model import BackingFile, Export, FileDisk, Pool, SlotState
from protos.gen.csi import v1 as csi
from services.controller.config import ControllerSettings
from services.controller.plan.attach import hosts_leaving, plan_revoke
from services.controller.plan.steps import Limits, Step, Terms
from services.controller.ports import Attachment, Node
from services.controller.requests.volumes import Publication
from services.controller.sites import Site, Sites

NAME = "pvc-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
BASE = DevicePath.parse("/raid10/volumes")
OTHER_BASE = DevicePath.parse("/ssd/volumes")
OTHER_POOL = Pool("ssd", GIB, GIB)
LIMITS = Limits(default=GIB, maximum=64 * TIB)
SETTINGS = ControllerSettings(
    rds_address="192.0.2.1",
    rds_key_file=Path("/key"),
    rds_host_key_file=Path("/host-key"),
    nvme_address="192.0.2.2",
    volume_base_paths=(BASE, OTHER_BASE),
)
SITES = Sites([Site(SETTINGS)])
NOW = 1_700_000_000
TERMS = Terms(LIMITS, (BASE, OTHER_BASE), NOW)
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
    source: csi.VolumeContentSource | None = None,
    secrets: dict[str, str] | None = None,
) -> csi.CreateVolumeRequest:
    return csi.CreateVolumeRequest(
        name=name,
        capacity_range=csi.CapacityRange(required_bytes=required, limit_bytes=limit),
        volume_capabilities=[capability or mount()],
        parameters=parameters or {},
        mutable_parameters=mutable or {},
        volume_content_source=source,
        secrets=secrets or {},
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
        pools=() if free is None else (Pool("raid10", 100 * GIB, free), OTHER_POOL),
    )


def publication(
    node: str = "worker-1", mode: Mode = Mode.SINGLE_NODE_WRITER, *, raw: bool = False
) -> Publication:
    capability = parse_capability(block(mode) if raw else mount(mode))
    return Publication(VolumeId.parse(NAME), NodeId.parse(node), capability, "192.0.2.2")


def revoke(
    leaving: Node | None, staying: list[str], seen: SlotState | None, instead: str = ""
) -> tuple[Step, ...]:
    """Plan to shut a node out of the volume, as it was seen."""
    out = hosts_leaving(leaving, staying, seen)
    return plan_revoke(VolumeId.parse(NAME), out, TERMS, seen, instead=instead)


def claim(
    node: str, order: int = 0, *, attached: bool = True, read_only: bool = False, since: float = NOW
) -> Attachment:
    return Attachment(node, attached, (f"{order:04}", node), since, read_only)
