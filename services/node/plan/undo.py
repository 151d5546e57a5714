"""What may be published, and what may be undone. Pure."""

from collections.abc import Collection, Iterable

from libs.core.errors import Conflict, InUse, InvalidRequest
from libs.core.ids import VolumeId
from libs.csikit.capability import Mode
from services.node.volume import Publication, Record, Use


def check_publication(
    record: Record | None,
    volume: VolumeId,
    wanted: Publication,
    asked: Use,
    alive: Collection[str],
) -> Record:
    """Return the record of a volume that may be published so.

    Args:
        record: what is known of it.
        volume: which one.
        wanted: where, and whether it may be written to.
        asked: how the request says that it is staged.
        alive: publications of which there still is something.

    Raises:
        InUse: it is not said where it is staged, or it is not staged there, or it is published at
            the one path that it may be at.
        InvalidRequest: it is staged as something else.
        Conflict: it is published at this path otherwise.
    """
    if not asked.staging:  # CSI has FAILED_PRECONDITION for this field, and no INVALID_ARGUMENT
        raise InUse("staging_target_path must be given: volumes are staged before")
    if record is None or record.use.staging != asked.staging:
        raise InUse(f"volume {volume} is not staged at {asked.staging}")
    if record.use.is_block != asked.is_block:
        kind = "a raw block device" if record.use.is_block else "a filesystem"
        raise InvalidRequest(f"volume_capability must be that of the staged volume, {kind}")
    if asked.fs_type != record.use.fs_type:
        raise Conflict(
            f"volume {volume} is staged as {record.use.fs_type}, and not as {asked.fs_type}"
        )
    there = record.at(wanted.path)
    if there is not None and there != wanted:
        how = "read-only" if there.read_only else "for writing"
        raise Conflict(f"volume {volume} is published at {wanted.path} {how} already")
    others = [path for path in sorted(alive) if path != wanted.path]
    single = Mode.SINGLE_NODE_SINGLE_WRITER in {record.use.mode, asked.mode}
    if single and others:
        raise InUse(
            f"volume {volume} has access mode SINGLE_NODE_SINGLE_WRITER, and is published at "
            f"{others[0]} already"
        )
    return record


def check_unpublished(
    record: Record, staging: str, alive: Collection[str], *, mounted: bool
) -> None:
    """Check that a volume may be unstaged.

    Args:
        record: what is known of it.
        staging: the path that is to be undone.
        alive: publications of which there still is something.
        mounted: whether it is mounted where the record says; true of a raw block device.

    Raises:
        InUse: it is published, or staged somewhere else.
    """
    if alive:
        raise InUse(f"volume {record.volume} is still published at {min(alive)}")
    if mounted and record.use.staging != staging:
        raise InUse(
            f"volume {record.volume} is staged at {record.use.staging}, and not at {staging}"
        )


def check_place(
    records: Iterable[Record], boot: str, volume: VolumeId, path: str, *, publishes: bool
) -> None:
    """Check that what is done at a path is not done to something else that this driver has there.

    Args:
        records: what is known of all volumes.
        boot: this boot of the host; what an earlier one had is not there any more.
        volume: the one that is meant.
        path: where it is to be, or not to be any more.
        publishes: whether that is a publication, which no staging path can be.

    Raises:
        InUse: another volume is there, above or below, or the volume's own staging path.
    """
    for record in records:
        if record.boot != boot:
            continue
        own = (record.use.staging,) if publishes else ()
        for taken in own if record.volume == volume else record.paths:
            if f"{taken}/".startswith(f"{path}/") or f"{path}/".startswith(f"{taken}/"):
                raise InUse(
                    f"{path} is no place for volume {volume}: {record.volume} is at {taken}"
                )
