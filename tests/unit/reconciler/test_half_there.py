"""What is told of volumes and snapshots that are not, or only half, on their device."""

from dataclasses import replace
from typing import Any

import pytest

from services.reconciler.findings import FindingKind, FindingState, Subject
from services.reconciler.inventory import Seen
from services.reconciler.model import HalfState, SnapshotContent
from tests.unit.reconciler.values import (
    BASE,
    DEVICE,
    DRIVER,
    NOW,
    RULES,
    V1,
    V2,
    decide_after,
    device,
    in_use,
    leftover,
    node,
    only,
    pv,
    seen,
    snapshot,
    snapshot_id,
    va,
    view,
    volume,
    volume_id,
)

S1, S2 = snapshot_id(1), snapshot_id(2)
ON_B = volume_id(1, "b")
B: dict[str, Any] = {"device": "b", "is_default": False}
HERE = Subject(volume_id=V1, persistent_volume=V1, claim=f"ns/{V1}", device=DEVICE)
THERE = Subject(volume_id=ON_B, persistent_volume=V1, claim=f"ns/{V1}", device="b")


def content(*handles: str, **fields: Any) -> SnapshotContent:
    return SnapshotContent("c", "uid-c", DRIVER, handles=handles, **fields)


def lost(handle: str, name: str) -> Subject:
    return Subject(snapshot_id=handle, volume_snapshot_content="c", device=name)


@pytest.mark.parametrize(
    ("found", "kind", "subject"),
    [
        (seen(pvs=[pv()], devices=[device()]), FindingKind.VOLUME_MISSING, HERE),
        (seen(pvs=[pv(ON_B)], devices=[device(**B)]), FindingKind.VOLUME_MISSING, THERE),
        (seen(pvs=[pv(ON_B)], devices=[device()]), FindingKind.VOLUME_MISSING, THERE),
        (
            seen(pvs=[pv()], devices=[device(leftovers=[leftover(V1)])]),
            FindingKind.DISK_MISSING,
            replace(HERE, path=f"{BASE}/{V1}.img"),
        ),
        (
            seen(pvs=[pv("disk7")], devices=[device(leftovers=[leftover("disk7")])]),
            FindingKind.DISK_MISSING,
            Subject(
                "disk7", "", "disk7", device=DEVICE, path=f"{BASE}/disk7.img", claim="ns/disk7"
            ),
        ),
        (
            seen(pvs=[pv()], devices=[device(volume(half_state=HalfState.NO_FILE))]),
            FindingKind.FILE_MISSING,
            HERE,
        ),
        (
            seen(pvs=[pv()], devices=[device(volume(half_state=HalfState.NOT_EXPORTED))]),
            FindingKind.NOT_EXPORTED,
            HERE,
        ),
        (
            seen(contents=[content(S1)], devices=[device()]),
            FindingKind.SNAPSHOT_MISSING,
            lost(S1, DEVICE),
        ),
        (
            seen(contents=[content(S1, S2)], devices=[device(snapshots=[snapshot(S1)])]),
            FindingKind.SNAPSHOT_MISSING,
            lost(S2, DEVICE),
        ),
        (
            seen(contents=[content(f"{S1}@b")], devices=[device(snapshots=[]), device(**B)]),
            FindingKind.SNAPSHOT_MISSING,
            lost(f"{S1}@b", "b"),
        ),
    ],
)
def test_people_hear_what_is_missing_and_of_what(
    found: Seen, kind: FindingKind, subject: Subject
) -> None:
    early = decide_after(RULES.half_state - 0.2, found)
    late = decide_after(RULES.half_state, found)

    (waiting,) = early.findings
    (told,) = late.findings
    assert (waiting.kind, waiting.state) == (kind, FindingState.WAITING)
    assert (waiting.subject, waiting.due) == (subject, NOW + RULES.half_state)
    assert (told.kind, told.state, told.subject) == (kind, FindingState.FOR_PEOPLE, subject)
    assert told.id == waiting.id


@pytest.mark.parametrize(
    "fine",
    [
        seen(pvs=[pv(ON_B)], devices=[device(), device(volume(ON_B), **B)]),
        seen(pvs=[pv()], devices=[device(volume(half_state=HalfState.COPYING))]),
        seen(pvs=[pv("disk7")], devices=[device()]),
        seen(contents=[content(S1)], devices=[device(snapshots=[snapshot(S1)])]),
        seen(contents=[content("disk7")], devices=[device()]),
        seen(contents=[content(f"{S1}@b")], devices=[device()]),
        seen(contents=[content(S1, deleting_since=NOW)], devices=[device()]),
        seen(contents=[replace(content(S1), driver="other.csi")], devices=[device()]),
    ],
)
def test_nobody_hears_of_what_is_there_foreign_or_going(fine: Seen) -> None:
    decision = decide_after(1e6, fine)

    kinds = {finding.kind for finding in decision.findings}
    assert kinds <= {FindingKind.ORPHAN_SNAPSHOT, FindingKind.ORPHAN_VOLUME}


def attached(*attachments: Any, **fields: Any) -> Seen:
    """Return volumes that nodes have and use."""
    used = in_use(V1, V2)
    return seen(
        nodes=[node(name, **used) for name in "abc"],
        vas=attachments,
        pvs=[pv(**fields), pv(V2)],
        devices=[device(volume(), volume(V2))],
        views=[view(one.volume, one.node) for one in attachments],
    )


@pytest.mark.parametrize(("stated", "limit"), [(500.0, 500.0), (0.0, RULES.migration)])
def test_a_migration_is_over_its_time_after_what_its_volume_or_else_the_rules_say(
    stated: float, limit: float
) -> None:
    migrating = attached(va(on="b"), va(on="a"), migration_timeout=stated)

    early = only(decide_after(limit - 0.2, migrating), FindingKind.MIGRATION_OVERDUE)
    late = only(decide_after(limit, migrating), FindingKind.MIGRATION_OVERDUE)

    assert (early.state, early.due) == (FindingState.WAITING, NOW + limit)
    assert early.subject == replace(HERE, device="")
    assert early.reason == f"Volume {V1} is attached to a and b, as in a migration."
    assert (late.state, late.subject) == (FindingState.FOR_PEOPLE, early.subject)


def test_of_two_objects_for_one_volume_a_migration_names_the_first_nodes() -> None:
    both = attached(va(on="b"), va(on="a", volume="twin"))
    twin = pv(name="twin", migration_timeout=9.0)
    whole = replace(both, volumes=replace(both.volumes, items=(pv(), twin)))

    finding = only(decide_after(0, whole), FindingKind.MIGRATION_OVERDUE)

    assert (finding.subject.persistent_volume, finding.due) == ("twin", NOW + 9)


@pytest.mark.parametrize(
    "single",
    [
        attached(va(on="a"), va(V2, "b")),
        attached(va(on="a"), va(on="b", attached=False)),
        attached(va(on="a"), va(on="b", deleting_since=NOW, finalizers=())),
        attached(va(on="a"), va(on="b"), read_only=True),
        attached(va(on="a", volume="gone", handle=V1), va(on="b", volume="gone", handle=V1)),
    ],
)
def test_a_volume_that_one_node_has_for_writing_is_not_migrating(single: Seen) -> None:
    decision = decide_after(1e6, single)

    assert [one for one in decision.findings if one.kind is FindingKind.MIGRATION_OVERDUE] == []
