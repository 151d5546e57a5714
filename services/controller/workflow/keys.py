"""What must not be in hand twice: the same for calls of CSI and of the admin API."""

from libs.core.ids import VolumeId
from services.controller.ports import Cluster


async def keys_of(cluster: Cluster, volume: VolumeId) -> tuple[str, ...]:
    """Return the keys of a volume's attachments: the volume, and the machine that uses it.

    Raises:
        Unreachable: the cluster does not say which machine that is.
    """
    machine = await cluster.machine_of(volume)
    return (volume.text, f"of machine {machine}") if machine else (volume.text,)
