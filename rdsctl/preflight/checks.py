"""All checks, in the order in which they are told: what was read in, findings out. Pure."""

from libs.core.images import Image
from rdsctl.preflight.cluster_checks import (
    check_driver_object,
    check_kubernetes,
    check_workloads,
)
from rdsctl.preflight.device_checks import (
    check_directories,
    check_mounting,
    check_release,
    check_sessions,
    check_user,
)
from rdsctl.preflight.join import check_disks, check_strays
from rdsctl.preflight.model import Cluster, Device, Finding, Plan
from rdsctl.preflight.node_checks import check_attachments, check_nodes, check_snapshots
from rdsctl.preflight.notes import Notes
from rdsctl.preflight.volumes import check_classes, check_volumes, directories_of


def check(cluster: Cluster | None, device: Device | None, plan: Plan) -> tuple[Finding, ...]:
    """Return what is to be said.

    Args:
        cluster: what was read of it; None where it was not asked, or did not answer.
        device: likewise.
        plan: how the new driver is to be set up.
    """
    notes = Notes()
    if cluster is not None:
        check_kubernetes(cluster, notes)
        check_driver_object(cluster, plan, notes)
        check_workloads(cluster, notes)
        check_volumes(cluster, plan, notes)
        check_classes(cluster, plan, notes)
        check_attachments(cluster, notes)
        check_nodes(cluster, notes)
        check_snapshots(cluster, notes)
    if device is not None:
        check_release(device, notes)
        check_user(device, notes)
        check_sessions(device, notes)
        check_directories(device, notes)
        check_mounting(device, notes)
    if cluster is not None and device is not None:
        check_disks(cluster, device, plan, notes)
        check_strays(cluster, device, notes)
    return notes.all()


def settings_for(cluster: Cluster | None, device: Device | None, plan: Plan) -> dict[str, str]:
    """Return the settings of the new driver that fit what is there, by the names of their flags."""
    found = {"driver-name": plan.driver, "managed-nqn-prefixes": ",".join(plan.prefixes)}
    bases = set(plan.bases)
    if cluster is not None:
        addresses = {volume.context.get("nvmeAddress", "") for volume in cluster.volumes}
        addresses |= {one.parameters.get("nvmeAddress", "") for one in cluster.classes}
        addresses.discard("")
        if len(addresses) == 1:
            found["nvme-address"] = addresses.pop()
        bases = bases or set(directories_of(cluster))
    if device is not None:
        found["rds-address"] = device.address.rpartition(":")[0]
        found["rds-user"] = device.user
        images = (Image.parse(disk.path) for disk in device.storage.disks)
        bases = bases or {image.directory for image in images if image}
    if bases:
        found["volume-base-paths"] = ",".join(sorted(base.text for base in bases))
    return dict(sorted(found.items()))
