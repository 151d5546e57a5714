"""What every piece of work on a volume needs: the host, what is known, and who is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from libs.core.ids import VolumeId
from libs.core.secret import Secret
from libs.nvmeof.mounter import Mounter
from libs.nvmeof.mountinfo import Mount
from libs.nvmeof.offload import Offload
from services.node.ports import Cluster, Counts, Fabrics, Keep

FindUsers = Callable[[Mount, Sequence[str]], Sequence[str]]
"""Says in words what uses the device of a mount, other than mounts at the paths given; blocks."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The outside, as the workflows see it.

    Attributes:
        fabrics: connections.
        mounter: mounts.
        offload: what runs calls that may hang.
        records: what is known of the volumes here.
        cluster: what is told and asked of the cluster.
        counts: what is counted for graphs.
        find_users: who uses a mount.
        check_seconds: how long checking a filesystem may take.
        pauses: seconds before the second and later attempts to repair a mount.
        boot: the host's boot that this is.
        secrets: of volumes that need one to connect. They are never written down, so a plugin that
            was started anew waits for the next NodeStageVolume.
    """

    fabrics: Fabrics
    mounter: Mounter
    offload: Offload
    records: Keep
    cluster: Cluster
    counts: Counts
    find_users: FindUsers
    check_seconds: float = 600.0
    pauses: tuple[float, ...] = (1.0, 2.0, 4.0)
    boot: str = ""
    secrets: dict[VolumeId, Secret] = field(default_factory=dict)
