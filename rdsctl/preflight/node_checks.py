"""What is attached where, on which nodes, and what snapshots there are. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterator

from libs.core.errors import InvalidRequest
from libs.core.ids import NodeId
from rdsctl.preflight.model import Attachment, Cluster, Level, NodeInfo
from rdsctl.preflight.notes import Notes
from rdsctl.words import plural

_NVME_TCP = (5, 0)
"""The first Linux with drivers/nvme/host/tcp.c."""

_VERSION = re.compile(r"(\d+)[.](\d+)", re.ASCII)


def check_attachments(cluster: Cluster, notes: Notes) -> None:
    """Say what is attached, and what is in between."""
    notes.begin("attachments")
    volumes = {volume.name: volume for volume in cluster.volumes}
    by_volume: defaultdict[str, list[Attachment]] = defaultdict(list)
    for one in cluster.attachments:
        by_volume[one.volume].append(one)
        if one.is_going or not one.attached:
            state = "being detached" if one.is_going else "not attached yet"
            notes.count(
                Level.WARNING,
                one.name,
                f"a VolumeAttachment is {state}",
                "wait until it has ended before the controllers change places; if it hangs, the "
                "new controller goes on with it",
            )
        if one.volume not in volumes:
            notes.count(
                Level.WARNING,
                one.name,
                "a VolumeAttachment is of a PersistentVolume that is gone",
                "the reconciler reports it after the move; rdsctl attachments shows it",
            )
    for name, held in by_volume.items():
        nodes = sorted({one.node for one in held if one.attached})
        if len(nodes) > 1:
            _check_shared(name, nodes, cluster, notes)
    notes.end()
    attached = {one.volume for one in cluster.attachments if one.attached}
    nodes = sorted({one.node for one in cluster.attachments if one.attached})
    if attached:
        notes.ok(
            f"{plural(len(attached), 'volume')} attached to {plural(len(nodes), 'node')}: "
            "connections and mounts are the kernel's and stay; no pod is restarted"
        )


def _check_shared(name: str, nodes: list[str], cluster: Cluster, notes: Notes) -> None:
    volume = next((one for one in cluster.volumes if one.name == name), None)
    modes = volume.access_modes if volume else ()
    if modes == ("ReadOnlyMany",):
        return
    where = " and ".join(nodes)
    if volume is not None and volume.is_block and "ReadWriteMany" in modes:
        notes.count(
            Level.WARNING, name, f"it is attached to {where}: a live migration", "let it end first"
        )
        return
    notes.count(
        Level.BLOCKER,
        name,
        f"it is attached to {where} at once, for one node only",
        "find out which of them uses it, and end the pods on the other",
    )


def check_nodes(cluster: Cluster, notes: Notes) -> None:
    """Say which nodes the new node plugin would have trouble with."""
    notes.begin("nodes")
    holders = {one.node for one in cluster.attachments if one.attached}
    for node in cluster.nodes:
        for level, text, remedy in _node_problems(node, holds=node.name in holders):
            notes.count(level, node.name, text, remedy)
    for gone in sorted(holders - {node.name for node in cluster.nodes}):
        notes.count(
            Level.WARNING,
            gone,
            "volumes are attached to a node that the cluster does not know",
            "the new controller lets other nodes have them; make sure that the machine is off",
        )
    if notes.end() and cluster.nodes:
        notes.ok(f"{plural(len(cluster.nodes), 'node')}: names, kernels and registration fit")


def _node_problems(node: NodeInfo, *, holds: bool) -> Iterator[tuple[Level, str, str]]:
    if node.os != "linux":
        return
    try:
        NodeId.parse(node.name)
    except InvalidRequest as error:
        yield Level.BLOCKER, error.message, "the driver's node IDs are the names of Nodes"
    if node.driver_id and node.driver_id != node.name:
        yield (
            Level.WARNING,
            f"the driver calls it {node.driver_id}: the new controller attaches nothing there yet",
            "replace the node plugin there soon after the controller",
        )
    if holds and not node.driver_id:
        yield (
            Level.WARNING,
            "it has volumes, and no driver is registered with its kubelet: nobody unmounts them",
            "see why the existing node plugin does not run there, before anything else",
        )
    kernel = _version(node.kernel)
    if kernel is not None and kernel < _NVME_TCP:
        yield Level.BLOCKER, f"Linux {node.kernel} has no NVMe/TCP", "upgrade its kernel"
    if not node.is_ready:
        yield (
            Level.WARNING,
            "it is not ready, so its plugin cannot be replaced now",
            "move it when it is back; until then nothing changes there",
        )


def check_snapshots(cluster: Cluster, notes: Notes) -> None:
    """Say what becomes of snapshots."""
    notes.begin("snapshots")
    if cluster.snapshots is None:
        notes.warn(
            "snapshots are not served (no snapshot.storage.k8s.io): kubectl apply would refuse the "
            "VolumeSnapshotClass in k8s/base/storageclasses.yaml, and csi-snapshotter has nothing "
            "to do",
            "install the CustomResourceDefinitions of external-snapshotter, or leave both out",
        )
    elif cluster.snapshots:
        notes.warn(
            f"{plural(len(cluster.snapshots), 'snapshot')} there: those that the existing driver "
            "made cannot be restored by the new one, and deleting them leaves their disks on the "
            "device",
            "restore or delete what is still needed before moving; snapshots of the new driver are "
            "named snap-ID.TIME-BYTES.of.VOLUME on the device",
            cluster.snapshots,
        )


def _version(text: str) -> tuple[int, int] | None:
    """Return major and minor number of a release of Linux; None where there are none."""
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else None
