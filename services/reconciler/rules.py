"""What decides: waiting periods, limits, and what may be done at all. Pure."""

from dataclasses import dataclass
from enum import Enum


class InUse(Enum):
    """What is done about a volume that a node reports in use and that has been NotReady too long.

    The report is as old as the node's silence, so it proves nothing: the node may be off, or may be
    writing to the volume while only its way to the API server is cut.
    """

    NEVER = "never"
    """Nothing: a person has to say that the node is off, with the out-of-service taint."""

    FENCED = "fenced"
    """A fenced volume is taken away once the device has shut the node out; others are not."""

    ALWAYS = "always"
    """It is taken away, as Kubernetes itself does after six minutes; it may be written to twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that a decision depends on beside what was seen. Times are in seconds.

    Attributes:
        driver: the name of the CSI driver.
        max_age: older listings of the cluster prove nothing.
        max_device_age: older listings of devices, and of the controller's attachments, neither.
        node_gone: how long a node must have been gone.
        out_of_service: how long a node must have had the taint.
        not_ready: how long a node must have been NotReady.
        in_use: what is done about volumes that such a node reports in use.
        force_detach: how long a node must have been NotReady for those.
        unused: how long nothing on a Ready node must have used a volume.
        stuck: how long a VolumeAttachment must have been about to be deleted.
        half_state: how long something must have been half made.
        fencing: how long fencing must not have matched the attachments.
        migration: how long a live migration may take where its volume does not say.
        max_lost_percent: with a larger share of nodes NotReady, or gone, it is the cluster that is
            ill, and nodes that are NotReady, or gone, are left alone.
        orphan: how long something must have been an orphan.
        orphans_dry_run: whether orphans are only reported, but for those a person approved.
        max_orphans: how many orphans a pass may remove.
        max_orphans_percent: and how large a share of what a device has.
        max_orphans_hourly: how many may be removed in an hour.
    """

    driver: str
    max_age: float = 120.0
    max_device_age: float = 120.0
    node_gone: float = 30.0
    out_of_service: float = 0.0
    not_ready: float = 60.0
    in_use: InUse = InUse.NEVER
    force_detach: float = 360.0
    unused: float = 900.0
    stuck: float = 30.0
    half_state: float = 120.0
    fencing: float = 30.0
    migration: float = 300.0
    max_lost_percent: int = 50
    orphan: float = 86_400.0
    orphans_dry_run: bool = True
    max_orphans: int = 10
    max_orphans_percent: int = 10
    max_orphans_hourly: int = 30
