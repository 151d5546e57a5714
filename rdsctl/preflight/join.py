"""PersistentVolumes beside the disks that they are on the device. Pure."""

from collections.abc import Iterator

from libs.core.images import Image
from libs.rdsclient.model import Export, FileDisk
from rdsctl.preflight.device_checks import is_ours
from rdsctl.preflight.model import Cluster, Device, Level, Plan, Volume
from rdsctl.preflight.notes import Notes
from rdsctl.preflight.volumes import prefix_remedy, unmanaged_prefix
from rdsctl.words import are, plural

Said = tuple[Level, str, str]

_LOOK = "see on the device what became of it, before anything is moved"


def check_disks(cluster: Cluster, device: Device, plan: Plan, notes: Notes) -> None:
    """Say whether each volume is on the device as its PersistentVolume says."""
    notes.begin("disks")
    disks = {disk.slot: disk for disk in device.storage.disks}
    present = [volume for volume in cluster.volumes if volume.slot in disks]
    if cluster.volumes and not present:
        notes.block(
            f"none of the {plural(len(cluster.volumes), 'volume')} is on {device.address}",
            "is it the right device? see rdsAddress in the PersistentVolumes",
        )
        return
    files = {file.path for file in device.storage.files}
    for volume in cluster.volumes:
        disk = disks.get(volume.slot)
        problems = _problems(volume, disk, device, plan, files) if disk else _missing()
        for level, text, remedy in problems:
            notes.count(level, volume.name, text, remedy)
    if notes.end() and present:
        notes.ok(
            f"{plural(len(present), 'volume')}: disk, file, size, export and NQN are as the "
            "PersistentVolumes say"
        )


def _missing() -> Iterator[Said]:
    yield Level.BLOCKER, "there is no disk of it on the device", _LOOK


def _problems(
    volume: Volume, disk: FileDisk, device: Device, plan: Plan, files: set[str]
) -> Iterator[Said]:
    yield from _place_problems(disk, device, files)
    if disk.export is None:
        yield (
            Level.BLOCKER,
            "the device does not export it, so no node could connect",
            f'/disk/set [find slot="{disk.slot}"] nvme-tcp-export=yes',
        )
    else:
        yield from _export_problems(volume, disk, disk.export, plan)
    if volume.size is not None and disk.size < volume.size:
        yield (
            Level.WARNING,
            "its disk is smaller than its PersistentVolume says",
            "an expansion may have been broken off; the new driver takes the size of the disk",
        )


def _place_problems(disk: FileDisk, device: Device, files: set[str]) -> Iterator[Said]:
    image = Image.parse(disk.path)
    if image is None or image.slot.text != disk.slot:
        yield (
            Level.BLOCKER,
            f"its file {disk.path} is not named after it: the new driver would not touch it",
            "keep it with the old driver, or copy its data into a new volume",
        )
    elif image.directory not in device.bases:
        yield (
            Level.BLOCKER,
            f"its file is in {image.directory}, which is none of --volume-base-paths",
            f"add {image.directory} to --volume-base-paths, here and of the controller",
        )
    elif disk.path not in files:
        yield Level.BLOCKER, "its disk is there, and its file is not", _LOOK


def _export_problems(volume: Volume, disk: FileDisk, export: Export, plan: Plan) -> Iterator[Said]:
    context = volume.context
    if prefix := unmanaged_prefix(export.nqn, plan):
        yield Level.BLOCKER, *prefix_remedy(prefix, plan)
    elif not export.nqn.endswith(f":{disk.slot}"):
        yield (
            Level.WARNING,
            "its NQN does not end with its name: the new plugin cannot unstage what the old staged",
            "drain the nodes that have it when their turn comes",
        )
    if context.get("nqn", export.nqn) != export.nqn:
        yield (
            Level.WARNING,
            "the device exports it under another NQN than its PersistentVolume has",
            "the new driver takes what the device says, the existing one would not connect",
        )
    if context.get("nvmePort", str(export.port)) != str(export.port):
        yield (
            Level.WARNING,
            "the device exports it on another port than its PersistentVolume has",
            "the new driver takes what the device says, the existing one would not connect",
        )
    if context.get("volumePath", disk.path) != disk.path:
        yield (
            Level.WARNING,
            "its file is not where its PersistentVolume says",
            "the new driver takes what the device says",
        )


def check_strays(cluster: Cluster, device: Device, notes: Notes) -> None:
    """Say what the reconciler would report as orphans after the move."""
    notes.begin("orphans")
    wanted = {volume.slot for volume in cluster.volumes}
    used = {disk.path for disk in device.storage.disks}
    disks = [d.slot for d in device.storage.disks if is_ours(d.slot) and d.slot not in wanted]
    remedy = "nothing is removed by itself: rdsctl orphans lists them after the move"
    if disks:
        notes.warn(f"{are(len(disks), 'disk')} of no PersistentVolume", remedy, sorted(disks))
    images = {file.path: Image.parse(file.path) for file in device.storage.files}
    left = [
        path
        for path, image in images.items()
        if path not in used and image and not image.origin and is_ours(image.slot.text)
    ]
    if left:
        notes.warn(f"{are(len(left), 'file')} of no disk", remedy, sorted(left))
    if not disks and not left:
        notes.ok("nothing on the device would be taken for an orphan")
