"""Copies on the device, and which of them are the driver's own. Pure."""

from dataclasses import dataclass, replace

from libs.core.errors import InUse, Unsupported
from libs.core.ids import Slot
from libs.core.images import INNER_NAME, Image, Layout, Origin
from libs.core.paths import DevicePath
from libs.core.size import format_bytes
from libs.rdsclient.model import BackingFile, Branch, SlotState, Subvolume
from services.controller.plan.steps import RemoveFile, Step, Terms

_COPY_GRACE = 60
"""Seconds that any copy may take, however small it is."""


@dataclass(frozen=True, slots=True)
class Copying:
    """A copy that may not be complete.

    Attributes:
        image: its place, and what it is a copy of.
        origin: the same as the image's.
        done: bytes that are there; None where the device rounds them.
    """

    image: Image
    origin: Origin
    done: int | None

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there."""
        return self.done is not None and self.done >= self.origin.size

    def is_dead(self, terms: Terms) -> bool:
        """Whether it is incomplete and the device has given it up.

        It has had its time, and it was watched and did not grow. Time alone proves nothing: a slow
        copy that was called dead would become complete later, with a tear in it.
        """
        allowed = _COPY_GRACE + self.origin.size // terms.limits.copy_rate
        overdue = terms.now - self.origin.made > allowed
        known = self.done is not None and not self.is_complete
        return overdue and known and self.image.path.text in terms.stalled

    def __str__(self) -> str:
        done = "unknown" if self.done is None else format_bytes(self.done)
        return f"{self.image.slot} ({done} of {format_bytes(self.origin.size)} done)"


def copies_in(files: tuple[BackingFile, ...]) -> tuple[Copying, ...]:
    """Return the files that are copies, complete or not."""
    found = []
    for file in files:
        image = Image.parse(file.path)
        if image is not None and image.origin is not None:
            found.append(Copying(image, image.origin, file.size))
    return tuple(found)


def dead_copies(seen: SlotState, terms: Terms, doing: str) -> tuple[RemoveFile, ...]:
    """Plan to remove the copies of a slot that can never become complete.

    Whoever changes the slot has to do that first: a copy that went on would be torn.

    Raises:
        InUse: a copy is still under way; the message says that `doing` has to wait.
    """
    steps = []
    for copy in copies_in(seen.copies):
        if copy.is_complete:
            continue
        if not copy.is_dead(terms):
            raise InUse(f"{seen.slot} is being copied to {copy}; {doing} when that is done")
        steps.append(RemoveFile(seen.slot, copy.image.path))
    return tuple(steps)


def check_copies_allowed(terms: Terms) -> None:
    """Check that files may be copied on this device.

    Raises:
        Unsupported: they may not.
    """
    if not terms.limits.file_copies:
        raise Unsupported(
            "volumes of layout=file cannot be copied here: the controller runs with "
            "--file-copies=false; volumes of layout=subvolume can"
        )


def plan_take_back(
    slot: Slot,
    path: DevicePath,
    terms: Terms,  # noqa: ARG001 (every plan has them)
    seen: SlotState | None,
) -> tuple[Step, ...]:
    """Plan to remove a copy that must not become complete."""
    if seen is None or any(file.path == path.text for file in seen.files):
        return (RemoveFile(slot, path),)
    return ()


def within(seen: SlotState, bases: tuple[DevicePath, ...]) -> SlotState:
    """Return what was seen without what lies outside the directories that the driver may use.

    What somebody copied elsewhere under the same name is theirs; so is a subvolume on a filesystem
    that none of the directories is on.
    """

    def ours(file: BackingFile) -> bool:
        image = Image.parse(file.path)
        return image is not None and image.directory in bases

    def held(sub: Subvolume) -> bool:
        return place_of(sub, seen, bases) is not None

    return replace(
        seen,
        files=tuple(filter(ours, seen.files)),
        copies=tuple(filter(ours, seen.copies)),
        subvolumes=tuple(filter(held, seen.subvolumes)),
        branches=tuple(filter(held, seen.branches)),
    )


def place_of(sub: Subvolume, seen: SlotState, bases: tuple[DevicePath, ...]) -> Image | None:
    """Return where a subvolume lies, if it is in one of the directories."""
    for mount_point in {base.pool for base in bases}:
        pool = seen.pool(mount_point)
        if pool is None or pool.label != sub.label:
            continue
        image = Image.parse(f"/{mount_point}/{sub.name}/{INNER_NAME}")
        if image is not None and image.directory in bases:
            return image
    return None


def branch_of(image: Image, seen: SlotState) -> Branch | None:
    """Return the subvolume that a volume or snapshot lies in, if it is there."""
    if image.layout is Layout.FILE:
        return None
    pool = seen.pool(image.directory.pool)
    there = any(
        pool is not None and (sub.label, sub.name) == (pool.label, image.subvolume)
        for sub in seen.subvolumes
    )
    return Branch(pool.label, image.subvolume) if pool is not None and there else None
