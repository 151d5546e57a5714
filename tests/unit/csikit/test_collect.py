"""Listings that come in parts: nothing may be concluded from one that is not whole."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from libs.core.errors import OutcomeUnknown
from libs.csikit.collect import collect_attachments, collect_inventory
from protos.gen.rdscsi.controller import v1 as admin

NOW = datetime(2026, 1, 2, tzinfo=UTC)

T = TypeVar("T")
Part = admin.GetInventoryResponse


async def coming(parts: Iterable[T]) -> AsyncIterator[T]:
    for part in parts:
        yield part


def items(device: str, *names: str, snapshots: int = 0, leftovers: int = 0) -> Part:
    return Part(
        device=device,
        items=admin.DeviceItems(
            volumes=[admin.Volume(volume_id=name) for name in names],
            snapshots=[admin.Snapshot()] * snapshots,
            leftovers=[admin.Leftover()] * leftovers,
        ),
    )


def end(device: str, volumes: int, snapshots: int = 0, leftovers: int = 0, **more: object) -> Part:
    ended = admin.DeviceEnd(
        reachable=True, taken_at=NOW, volumes=volumes, snapshots=snapshots, leftovers=leftovers
    )
    for name, value in more.items():
        setattr(ended, name, value)
    return Part(device=device, end=ended)


async def test_parts_of_several_devices_are_kept_apart_however_they_come() -> None:
    begin = admin.DeviceBegin()
    parts = [
        Part(device="a", begin=begin),
        items("b", "pvc-3"),
        items("a", "pvc-1", snapshots=1),
        items("a", "pvc-2", leftovers=2),
        end("b", 1),
        end("a", 2, 1, 2, pools=[admin.Pool()]),
    ]

    found = await collect_inventory(coming(parts))

    assert list(found) == ["a", "b"]
    assert found["a"].is_whole
    assert found["a"].begin is begin
    assert [volume.volume_id for volume in found["a"].volumes] == ["pvc-1", "pvc-2"]
    assert (len(found["a"].snapshots), len(found["a"].leftovers)) == (1, 2)
    assert (found["a"].reachable, found["a"].taken_at) == (True, NOW)
    assert found["a"].pools == [admin.Pool()]
    assert [volume.volume_id for volume in found["b"].volumes] == ["pvc-3"]


@pytest.mark.parametrize("said", [(3, 1, 1), (2, 2, 1), (2, 1, 2), (1, 1, 1), (0, 0, 0)])
async def test_a_listing_with_less_or_more_than_its_end_says_is_none(
    said: tuple[int, int, int],
) -> None:
    parts = [items("a", "pvc-1", "pvc-2", snapshots=1, leftovers=1), end("a", *said)]

    listing = (await collect_inventory(coming(parts)))["a"]

    assert not listing.is_whole
    assert listing.error == "the listing was cut off"
    assert (listing.volumes, listing.snapshots, listing.leftovers) == ([], [], [])


async def test_a_listing_whose_end_never_came_is_none() -> None:
    listing = (await collect_inventory(coming([items("a", "pvc-1")])))["a"]

    assert (listing.is_whole, listing.reachable, listing.taken_at) == (False, False, None)
    assert listing.volumes == []


async def test_a_device_that_failed_is_said_with_its_reason_and_leaves_nothing() -> None:
    parts = [items("a", "pvc-1"), end("a", 1, error="the device is away", reachable=False)]

    listing = (await collect_inventory(coming(parts)))["a"]

    assert (listing.is_whole, listing.error) == (False, "the device is away")
    assert not listing.reachable
    assert listing.volumes == []


async def test_no_parts_are_no_devices() -> None:
    assert await collect_inventory(coming([])) == {}


def attachments(*names: str, last: bool = False, **more: object) -> admin.ListAttachmentsResponse:
    part = admin.ListAttachmentsResponse(
        attachments=[admin.Attachment(volume_id=name) for name in names], last=last
    )
    for name, value in more.items():
        setattr(part, name, value)
    return part


async def test_attachments_are_put_together_with_what_is_not_known() -> None:
    away = admin.DeviceError(device="b", error="away")
    parts = [
        attachments("pvc-1", taken_at=NOW),
        attachments("pvc-2", unknown=[away]),
        attachments(last=True),
    ]

    found = await collect_attachments(coming(parts))

    assert [one.volume_id for one in found.attachments] == ["pvc-1", "pvc-2"]
    assert found.unknown == {"b": "away"}
    assert found.taken_at == NOW


@pytest.mark.parametrize(
    "parts", [[], [attachments("pvc-1")], [attachments(last=True), attachments("pvc-1")]]
)
async def test_attachments_without_their_last_part_are_none(
    parts: list[admin.ListAttachmentsResponse],
) -> None:
    with pytest.raises(OutcomeUnknown, match="cut off"):
        await collect_attachments(coming(parts))
