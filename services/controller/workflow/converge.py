"""Observe, plan, apply, confirm: the loop around every plan. No policy lives here."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from libs.core.errors import NotFound, OutcomeUnknown
from libs.core.ids import Slot
from libs.core.images import Image
from libs.core.size import MIB
from libs.rdsclient.errors import EntryExists
from libs.rdsclient.model import SlotState
from services.controller.plan.copies import copies_in, within
from services.controller.plan.steps import (
    AdmitHost,
    CopyFile,
    CreateDisk,
    ExportDisk,
    Freeze,
    GrowDisk,
    Limits,
    Look,
    Plan,
    RemoveBranch,
    RemoveDisk,
    RemoveFile,
    Step,
    Terms,
)
from services.controller.ports import Device
from services.controller.sites import Site

_PAUSES = (0.0, 0.0, 0.0, 0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each round. What was changed shows at once, as far as is known; if it does not,
asking again and again at once would not help."""

_ROUNDS = len(_PAUSES)

_STALLED_SECONDS = 60.0
"""How long a copy must have been watched without growing, to count as given up."""


Watch = Callable[[SlotState], Awaitable[None]]
"""Told of everything that is seen, before the next step; it may raise."""


class Noted(Protocol):
    """Takes note of steps before they are sent."""

    def append(self, step: Step, /) -> object:
        """Take note of a step."""


class Desk:
    """Where plans for one device are carried out; there is one for each. It holds no policy.

    It remembers how far copies had come when they were last seen, which only serves to tell one
    that the device has given up from a slow one.
    """

    def __init__(self, device: Device, site: Site) -> None:
        self.device = device
        self._site = site
        self._copies: dict[str, tuple[int | None, float]] = {}

    def terms(self) -> Terms:
        """Return what plans are made under at this moment."""
        settings = self._site.settings
        limits = Limits(
            settings.default_volume_bytes,
            settings.max_volume_bytes,
            settings.overcommit,
            settings.copy_rate * MIB,
            settings.file_copies,
            settings.copy_attached,
        )
        before = time.monotonic() - _STALLED_SECONDS
        stalled = frozenset(path for path, (_, since) in self._copies.items() if since <= before)
        return Terms(limits, settings.volume_base_paths, int(time.time()), stalled)

    async def read(self, slot: Slot) -> SlotState:
        """Read all about one slot, as far as it is for this driver to see."""
        return self._note(await self.device.read_slot(slot))

    def _note(self, seen: SlotState) -> SlotState:
        seen = within(seen, self._site.settings.volume_base_paths)
        there = {copy.image.path.text: copy for copy in copies_in((*seen.files, *seen.copies))}
        for path in [path for path in self._copies if path not in there]:
            image = Image.parse(path)
            about = {image.slot.text, image.origin.source} if image and image.origin else set()
            if seen.slot.text in about:
                del self._copies[path]  # it would have been seen
        for path, copy in there.items():
            if copy.is_complete:
                self._copies.pop(path, None)
            elif self._copies.get(path, (-1, 0.0))[0] != copy.done:
                self._copies[path] = (copy.done, time.monotonic())
        return seen

    async def converge(
        self,
        plan: Plan,
        seen: SlotState | None = None,
        watch: Watch | None = None,
        made: Noted | None = None,
    ) -> SlotState | None:
        """Apply what the plan says until it says that nothing is left; return what was seen last.

        Args:
            plan: what is to be done. Its terms are new in every round: they say what is known of
                the copies that were seen just before.
            seen: what has been seen already, if anything has.
            watch: told of what was seen before each round.
            made: gets the steps that were sent.

        Raises:
            OutcomeUnknown: the device accepts the commands and does not end up as they say.
        """
        for attempt in range(_ROUNDS):
            if watch is not None and seen is not None:
                await watch(seen)
            steps = plan(self.terms(), seen)
            if not steps:
                return seen
            await asyncio.sleep(_PAUSES[attempt])
            for step in steps:
                if made is not None:
                    made.append(step)
                seen = self._note(await _apply(self.device, step))
        # Not final: what was sent may yet show, and somebody has to come back and look.
        raise OutcomeUnknown(
            "the device accepts the commands but does not end up as they say",
            detail=f"last seen: {seen}",
        )


async def _apply(device: Device, step: Step) -> SlotState:  # noqa: C901, PLR0911 (one for each step)
    match step:
        case Look(slot):
            return await device.read_slot(slot)
        case CreateDisk(spec):
            try:
                return await device.ensure_disk(spec)
            except EntryExists:
                # Somebody was faster: what they made may be just what is wanted.
                seen = await device.read_slot(spec.slot)
                if seen.disk is None:
                    raise
                return seen
        case GrowDisk(slot, size, added, pool):
            return await device.ensure_size(slot, size, added, pool)
        case ExportDisk(slot):
            return await device.ensure_export(slot, exported=True)
        case AdmitHost(slot, host, only_fenced, cut):
            return await device.ensure_allowed_host(slot, host, only_fenced=only_fenced, cut=cut)
        case CopyFile(slot, source, target, room):
            return await device.ensure_copy(slot, source, target, room)
        case Freeze(slot, branch):
            return await device.ensure_frozen(slot, branch)
        case RemoveDisk() | RemoveFile() | RemoveBranch():
            return await _remove(device, step)


async def _remove(device: Device, step: RemoveDisk | RemoveFile | RemoveBranch) -> SlotState:
    try:
        match step:
            case RemoveDisk(slot, path, branch, copied):
                return await device.ensure_absent(slot, path, branch, copied=copied)
            case RemoveFile(slot, path, copies):
                return await device.ensure_file_absent(slot, path, copies)
            case RemoveBranch(slot, path, branch):
                return await device.ensure_branch_absent(slot, path, branch)
    except NotFound:
        # Somebody removed it between the search and the removal.
        return await device.read_slot(step.slot)
