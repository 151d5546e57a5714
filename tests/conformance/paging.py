"""Listings, page by page."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from grpclib import GRPCError
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.lab import Lab

ATTEMPTS = 5
"""How often a walk begins anew on a system that others change at the same time."""

P = TypeVar("P", bound="Page")


class Page(Protocol):
    """What the answers of all listings have in common."""

    next_token: str


Turn = Callable[[str], Awaitable[P]]


async def walk(turn: Turn[P]) -> list[P]:
    """Return all pages; a walk whose token goes stale begins anew, as the error asks."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await walk_once(turn)
        except GRPCError as error:
            if error.status is not Status.ABORTED:
                raise
    return await walk_once(turn)


async def walk_once(turn: Turn[P]) -> list[P]:
    """Return all pages; an error ends it."""
    pages: list[P] = []
    token, used = "", set[str]()
    while True:
        page = await turn(token)
        pages.append(page)
        token = page.next_token
        if not token:
            return pages
        assert token not in used, f"the token {token!r} was given out twice: the walk never ends"
        used.add(token)


def volume_pages(lab: Lab, size: int = 0) -> Turn[csi.ListVolumesResponse]:
    """Return how to turn the pages of ListVolumes."""
    return lambda token: lab.list_volumes(size, token)


def snapshot_pages(lab: Lab, size: int = 0, **filters: str) -> Turn[csi.ListSnapshotsResponse]:
    """Return how to turn the pages of ListSnapshots."""
    return lambda token: lab.list_snapshots(size=size, token=token, **filters)


async def listed_volumes(lab: Lab, size: int = 0) -> dict[str, csi.ListVolumesResponseEntry]:
    """Return the entries of all pages of ListVolumes, by the volume's ID."""
    pages = await walk(volume_pages(lab, size))
    entries = [entry for page in pages for entry in page.entries]
    return {entry.volume.volume_id: entry for entry in entries if entry.volume is not None}


async def listed_snapshots(lab: Lab, size: int = 0, **filters: str) -> dict[str, csi.Snapshot]:
    """Return the snapshots of all pages of ListSnapshots, by their ID."""
    pages = await walk(snapshot_pages(lab, size, **filters))
    found = [entry.snapshot for page in pages for entry in page.entries]
    return {snapshot.snapshot_id: snapshot for snapshot in found if snapshot is not None}
