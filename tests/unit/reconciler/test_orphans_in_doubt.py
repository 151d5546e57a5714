"""When orphans cannot be told for certain, or are too large a share of what there is."""

from dataclasses import replace
from typing import Any

import pytest

from services.reconciler.findings import (
    FindingState,
)
from services.reconciler.inventory import Index, Seen
from services.reconciler.memory import Memory
from services.reconciler.plan.decide import decide
from services.reconciler.plan.orphans import item_ids, why_unjudged
from tests.unit.reconciler.fleet import (
    CONTENT,
    LIVE,
    S1,
    STOCK,
    fleet,
    removed,
)
from tests.unit.reconciler.values import (
    ACTIVE,
    DEVICE,
    NOW,
    RULES,
    V1,
    V2,
    decide_after,
    device,
    leftover,
    seen,
    snapshot,
    snapshot_id,
    volume,
)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (fleet(volume(), pvs=[], devices=[device(volume())]), "not one PersistentVolume of"),
        (fleet(leftover(V1), pvs=[], devices=[device(leftovers=[leftover(V1)])]), "one Persistent"),
        (
            fleet(contents=[], devices=[device(snapshots=[snapshot(S1)])]),
            "not one VolumeSnapshotContent of",
        ),
        (
            fleet(contents=None, devices=[device(snapshots=[snapshot(S1)])]),
            "no VolumeSnapshotContents at all",
        ),
    ],
)
def test_where_everything_that_could_refer_to_it_is_gone_nothing_is_removed(
    found: Seen, words: str
) -> None:
    half = [one.handle for one in LIVE]
    pvs = replace(found.volumes, items=tuple(x for x in found.volumes.items if x.handle in half))

    decision = decide_after(ACTIVE.orphan, replace(found, volumes=pvs), ACTIVE)

    held = [one for one in decision.findings if one.orphan]
    assert removed(decision) == []
    assert [one.state for one in held] == [FindingState.HELD_BACK]
    assert words in held[0].next
    assert decision.stopped == ""


@pytest.mark.parametrize(
    ("share", "extra"),
    [
        (1, []),
        (2, [snapshot(snapshot_id(50))]),
        (2, [leftover("disk9", path="/p/9")]),
        (1, [leftover("disk9", path="/p/9", managed=False)]),
    ],
)
def test_volumes_snapshots_and_managed_leftovers_count_for_the_share(
    share: int, extra: list[Any]
) -> None:
    volumes = [*STOCK[:17], volume(V1), volume(V2)]
    whole = device(
        *volumes,
        snapshots=[one for one in extra if isinstance(one, type(snapshot(S1)))],
        leftovers=[one for one in extra if isinstance(one, type(leftover(V1)))],
    )

    decision = decide_after(ACTIVE.orphan, fleet(devices=[whole], contents=[CONTENT]), ACTIVE)

    assert len(removed(decision)) == (2 if share == 2 else 0)


def test_what_is_on_a_device_goes_by_its_ids_and_leftovers_by_what_they_are_named_for() -> None:
    listing = device(
        volume(V1),
        snapshots=[snapshot(S1)],
        leftovers=[leftover(V2), leftover("disk9", managed=False)],
    )

    assert list(item_ids(listing)) == [V1, S1, V2]


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("nodes", "Nodes"),
        ("attachments", "VolumeAttachments"),
        ("volumes", "PersistentVolumes"),
        ("contents", "VolumeSnapshotContents"),
        ("views", "attachments"),
    ],
)
def test_people_hear_why_orphans_cannot_be_told(part: str, name: str) -> None:
    whole = seen(devices=[device(read_at=NOW)])
    cut = replace(whole, **{part: replace(getattr(whole, part), complete=False)})
    early = replace(whole, **{part: replace(getattr(whole, part), read_at=NOW - 0.1)})

    blind = decide(cut, Memory(), RULES, NOW).incomplete
    raced = decide(early, Memory(), RULES, NOW).incomplete

    about = f"orphans on {DEVICE} cannot be told: {name}"
    assert why_unjudged(Index(whole, RULES, NOW), whole.devices.items[0]) == ""
    assert f"{about} are not known" in blind
    assert raced == (() if part == "views" else (f"{about} were read before the device",))
