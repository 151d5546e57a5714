"""What the new driver would make of each PersistentVolume and StorageClass. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from libs.core.address import parse_host, parse_port
from libs.core.errors import InvalidRequest
from libs.core.fields import whole_seconds, word
from libs.core.ids import Nqn, VolumeId, parse_nqn_prefix, shown
from libs.core.images import Image, Layout
from libs.core.paths import DevicePath
from libs.core.volumes import (
    CLASS_KEYS,
    check_filesystem,
    parse_mkfs_options,
    parse_reconnect,
)
from libs.nvmeof.mountopts import parse_options
from rdsctl.preflight.model import Cluster, Level, Plan, StorageClass, Volume
from rdsctl.preflight.notes import Notes
from rdsctl.words import plural

SIDECAR_PREFIX = "csi.storage.k8s.io/"
"""Keys that are for the sidecars."""

_FOR_EVER = -1


def check_volumes(cluster: Cluster, plan: Plan, notes: Notes) -> None:
    """Say what would become of the PersistentVolumes."""
    notes.begin("volumes")
    for volume in cluster.volumes:
        for level, text, remedy in _problems(volume, plan):
            notes.count(level, volume.name, text, remedy)
    well = notes.end()
    count = plural(len(cluster.volumes), "PersistentVolume")
    if not cluster.volumes:
        notes.ok(f"no PersistentVolume is of {plan.driver}")
    elif well:
        notes.ok(f"{count}: IDs, contexts, filesystems and mount options are taken as they are")
    else:
        notes.ok(f"{count} looked at; none is changed by moving")


def _problems(volume: Volume, plan: Plan) -> Iterator[tuple[Level, str, str]]:
    yield from _handle_problems(volume)
    yield from _context_problems(volume, plan)
    if not volume.is_block:
        refusal = _refusal(lambda: check_filesystem("fsType", volume.fs_type or "ext4"))
        if refusal:
            yield Level.BLOCKER, refusal, "no node would mount it: keep it with the old driver"
        if "ReadWriteMany" in volume.access_modes:
            yield (
                Level.BLOCKER,
                "a filesystem with ReadWriteMany is refused: two nodes would destroy it",
                "move the data into a ReadWriteOnce volume, or use volumeMode: Block",
            )
    refusal = _refusal(lambda: parse_options(volume.mount_options, "mountOptions"))
    if refusal:
        yield Level.BLOCKER, refusal, "no node would mount it: edit the PersistentVolume"


def _handle_problems(volume: Volume) -> Iterator[tuple[Level, str, str]]:
    remedy = "keep this volume with the old driver, or copy its data into a new one"
    refusal = _refusal(lambda: VolumeId.parse(volume.handle, "volumeHandle"))
    if refusal:
        yield Level.BLOCKER, refusal, remedy
    elif not VolumeId.parse(volume.handle).is_managed:
        yield (
            Level.BLOCKER,
            f"volumeHandle {shown(volume.handle)} is none of this driver's: it would refuse it",
            remedy,
        )


def _context_problems(volume: Volume, plan: Plan) -> Iterator[tuple[Level, str, str]]:
    nqn = volume.context.get("nqn", "")
    if nqn:
        refusal = _refusal(lambda: Nqn.parse(nqn, "volumeAttributes.nqn"))
        if refusal:
            yield Level.BLOCKER, refusal, "see the NQN that the device exports it under"
        elif prefix := unmanaged_prefix(nqn, plan):
            yield Level.BLOCKER, *prefix_remedy(prefix, plan)
    refusal = _refusal(lambda: parse_reconnect(volume.context))
    if refusal:
        refusal = refusal.replace("parameters.", "volumeAttributes.")
        yield Level.BLOCKER, refusal, "nodes would refuse it: a volume cannot be given other ones"
    elif parse_reconnect(volume.context).ctrl_loss != _FOR_EVER:
        limit = parse_reconnect(volume.context).ctrl_loss
        yield (
            Level.WARNING,
            f"ctrlLossTmo is {limit}: while the device is away for longer, I/O fails",
            'a VolumeAttributesClass with ctrlLossTmo: "-1" changes it for attachments to come',
        )


def unmanaged_prefix(nqn: str, plan: Plan) -> str:
    """Return what an NQN begins with, where nodes may not touch it; empty where they may."""
    prefix = nqn.rpartition(":")[0] or nqn
    return "" if nqn.startswith(tuple(f"{one}:" for one in plan.prefixes)) else prefix


def prefix_remedy(prefix: str, plan: Plan) -> tuple[str, str]:
    """Return what to say of an NQN that nodes may not touch, and what to do."""
    every = ",".join((*plan.prefixes, prefix))
    return (
        f"its NQN begins with {prefix}, none of --managed-nqn-prefixes: nodes would refuse it",
        f"run the node plugin, and this check, with --managed-nqn-prefixes={every}",
    )


def check_classes(cluster: Cluster, plan: Plan, notes: Notes) -> None:
    """Say which StorageClasses would be refused at the next volume."""
    notes.begin("storage-classes")
    for one in cluster.classes:
        for text in _class_refusals(one):
            notes.count(
                Level.WARNING,
                one.name,
                f"{text}: new volumes of it would be refused; those that exist are not touched",
                "make a StorageClass of another name; parameters of one cannot be changed",
            )
        directory = _directory(one)
        if plan.bases and directory is not None and directory not in plan.bases:
            notes.count(
                Level.WARNING,
                one.name,
                f"its directory {directory} is none of --volume-base-paths: no new volumes of it",
                f"add {directory} to --volume-base-paths",
            )
    if notes.end() and cluster.classes:
        count = plural(len(cluster.classes), "StorageClass", "StorageClasses")
        notes.ok(f"{count}: all parameters are known")


def _class_refusals(one: StorageClass) -> Iterator[str]:
    given = one.parameters
    unknown = [k for k in given if k not in CLASS_KEYS and not k.startswith(SIDECAR_PREFIX)]
    if unknown:
        yield f"parameters has unknown keys {', '.join(sorted(map(shown, unknown)))}"
    fs_type = given.get("fsType") or given.get(f"{SIDECAR_PREFIX}fstype") or "ext4"
    checks: tuple[Callable[[], object], ...] = (
        lambda: check_filesystem("parameters.fsType", fs_type),
        lambda: parse_reconnect(given),
        lambda: parse_options(one.mount_options, "mountOptions"),
        *(_reading(given, key, parse) for key, parse in _PARSERS.items()),
    )
    yield from filter(None, map(_refusal, checks))


def _reading(
    given: Mapping[str, str], key: str, parse: Callable[[str, str], object]
) -> Callable[[], object]:
    return lambda: parse(given[key], f"parameters.{key}") if key in given else None


_PARSERS: dict[str, Callable[[str, str], object]] = {
    "nvmeAddress": parse_host,
    "rdsAddress": parse_host,
    "nvmePort": parse_port,
    "sshPort": parse_port,
    "rdsPort": parse_port,
    "nqnPrefix": parse_nqn_prefix,
    "mkfsOptions": parse_mkfs_options,
    "migrationTimeoutSeconds": whole_seconds(30, 3600),
    "volumePath": DevicePath.parse,
    "rdsBasePath": DevicePath.parse,
    "layout": lambda text, field: word(text, field, tuple(one.value for one in Layout)),
    "fencing": lambda text, field: word(text, field, ("off", "host")),
    "auth": lambda text, field: word(text, field, ("off", "dhchap")),
}


def directories_of(cluster: Cluster) -> tuple[DevicePath, ...]:
    """Return the directories on the device that volumes are in, or are to be made in."""
    paths = (volume.context.get("volumePath", "") for volume in cluster.volumes)
    images = (Image.parse(path) for path in paths)
    found: Iterable[DevicePath | None] = (
        *(image.directory for image in images if image),
        *(_directory(one) for one in cluster.classes),
    )
    return tuple(sorted({path for path in found if path is not None}))


def _directory(one: StorageClass) -> DevicePath | None:
    text = one.parameters.get("volumePath") or one.parameters.get("rdsBasePath") or ""
    try:
        return DevicePath.parse(text)
    except InvalidRequest:
        return None


def _refusal(check: Callable[[], object]) -> str | None:
    """Return why a value would be refused; None where it would be taken."""
    try:
        check()
    except InvalidRequest as error:
        return error.message
    return None
