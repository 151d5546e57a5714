"""Observe, plan, apply, confirm: the loop around every plan. No policy lives here."""

import time

from libs.core.errors import NotFound, Refused
from libs.core.size import MIB
from libs.rdsclient.errors import EntryExists
from libs.rdsclient.model import SlotState
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

_ROUNDS = 8


def terms_of(site: Site) -> Terms:
    """Return what plans for a device are made under at this moment."""
    settings = site.settings
    limits = Limits(
        settings.default_volume_bytes,
        settings.max_volume_bytes,
        settings.overcommit,
        settings.copy_rate * MIB,
        settings.copy_attached,
    )
    return Terms(limits, settings.volume_base_paths, int(time.time()))


async def converge(device: Device, plan: Plan, seen: SlotState | None = None) -> SlotState | None:
    """Apply what the plan says until it says that nothing is left; return what was seen last.

    Args:
        device: the device.
        plan: what is to be done.
        seen: what has been seen already, if anything has.

    Raises:
        Refused: the device accepts the commands and does not end up as they say.
    """
    for _ in range(_ROUNDS):
        steps = plan(seen)
        if not steps:
            return seen
        for step in steps:
            seen = await _apply(device, step)
    raise Refused(
        "the device accepts the commands but does not end up as they say",
        detail=f"last seen: {seen}",
    )


async def _apply(device: Device, step: Step) -> SlotState:  # noqa: C901, PLR0911 (one for each step)
    match step:
        case Look(slot, pool):
            return await device.read_slot(slot, pool)
        case CreateDisk(spec):
            try:
                return await device.ensure_disk(spec)
            except EntryExists:
                # Somebody was faster: what they made may be just what is wanted.
                seen = await device.read_slot(spec.slot, spec.path.pool)
                if seen.disk is None:
                    raise
                return seen
        case GrowDisk(slot, size, added, pool):
            return await device.ensure_size(slot, size, added, pool)
        case ExportDisk(slot, pool):
            return await device.ensure_export(slot, pool, exported=True)
        case AdmitHost(slot, pool, host, only_fenced):
            return await device.ensure_allowed_host(slot, pool, host, only_fenced=only_fenced)
        case CopyFile(slot, source, target, room):
            return await device.ensure_copy(slot, source, target, room)
        case Freeze(slot, pool, branch):
            return await device.ensure_frozen(slot, pool, branch)
        case RemoveDisk() | RemoveFile() | RemoveBranch():
            return await _remove(device, step)


async def _remove(device: Device, step: RemoveDisk | RemoveFile | RemoveBranch) -> SlotState:
    try:
        match step:
            case RemoveDisk(slot, path, branch, copied):
                return await device.ensure_absent(slot, path, branch, copied=copied)
            case RemoveFile(slot, path):
                return await device.ensure_file_absent(slot, path)
            case RemoveBranch(slot, path, branch):
                return await device.ensure_branch_absent(slot, path, branch)
    except NotFound:
        # Somebody removed it between the search and the removal.
        return await device.read_slot(step.slot, step.path.pool)
