"""What becomes of a creation that failed. Pure."""

from libs.core.ids import VolumeId
from libs.core.images import Image
from libs.rdsclient.model import SlotState
from services.controller.plan.copies import branch_of, copies_in
from services.controller.plan.steps import Look, RemoveDisk, Step, Terms
from services.controller.plan.volumes import images_left


def plan_abandon(
    volume: VolumeId, source: str, made: frozenset[str], terms: Terms, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan to remove what a creation that failed has left, so that the failure can be final.

    Only what certainly holds nobody's data goes: what this creation itself made, and copies that
    are not complete, which were never given out. A disk stays, whatever state it is in.

    Args:
        volume: the volume.
        source: what it was to be a copy of; empty for nothing.
        made: paths of the backing files that this creation made.
        terms: what the plan is made under.
        seen: the volume, as it was last seen.
    """
    if seen is None:
        return (Look(volume.slot),)
    if seen.disk is not None:
        return ()
    used = {user.path for user in seen.users}
    incomplete = {
        copy.image.path.text
        for copy in copies_in(seen.files)
        if copy.origin.source == source and copy.done is not None and not copy.is_complete
    }
    return tuple(
        RemoveDisk(volume.slot, image.path, branch_of(image, seen), copied=True)
        for image in images_left(volume.slot, terms.bases, seen)
        if image.path.text not in used and image.path.text in made | incomplete
    )


def is_half_made(seen: SlotState | None, source: str) -> bool:
    """Whether something is left of a creation that may still be finished."""
    if seen is None:
        return False
    paths = [seen.disk.path] if seen.disk and seen.disk.export is None else []
    paths += [] if seen.disk else [file.path for file in seen.files]
    images = [Image.parse(path) for path in paths]
    return any(image and image.origin and image.origin.source == source for image in images)
