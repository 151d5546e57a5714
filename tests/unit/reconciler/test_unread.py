"""What could not be read proves nothing: nothing is done about it, and what waits waits on."""

from dataclasses import replace

import pytest

from services.reconciler.findings import FindingKind, FindingState
from services.reconciler.inventory import Seen
from services.reconciler.memory import Memory
from services.reconciler.model import Admission, DeviceListing
from services.reconciler.plan.decide import decide
from services.reconciler.plan.notes import prefix_of
from tests.unit.reconciler.values import (
    NOW,
    RULES,
    V1,
    at,
    device,
    in_use,
    kinds,
    node,
    pv,
    seen,
    va,
    view,
    volume,
)

DEVICES = ("", "rds", "b", "unknown")
STALE = frozenset(
    {
        FindingKind.NODE_GONE,
        FindingKind.NODE_OUT_OF_SERVICE,
        FindingKind.NODE_NOT_READY,
        FindingKind.ATTACHMENT_UNUSED,
        FindingKind.ATTACHMENT_STUCK,
        FindingKind.MIGRATION_OVERDUE,
    }
)
HALF = frozenset(
    {
        FindingKind.VOLUME_MISSING,
        FindingKind.DISK_MISSING,
        FindingKind.FILE_MISSING,
        FindingKind.NOT_EXPORTED,
        FindingKind.SNAPSHOT_MISSING,
    }
)
ORPHANS = frozenset(
    {
        FindingKind.ORPHAN_VOLUME,
        FindingKind.ORPHAN_SNAPSHOT,
        FindingKind.ORPHAN_FILE,
        FindingKind.ORPHAN_SUBVOLUME,
    }
)
FENCING = frozenset({FindingKind.FENCING_MISMATCH})
SNAPSHOT = frozenset({FindingKind.SNAPSHOT_MISSING})
B = device(device="b", is_default=False)
Kept = dict[str, frozenset[FindingKind]]


def sights() -> dict[tuple[FindingKind, str], str]:
    """Return the ID of a finding of each kind on each device."""
    return {
        (kind, name): f"{prefix_of(kind, name)}{'0' * 12}"
        for kind in FindingKind
        for name in DEVICES
    }


def world(**broken: object) -> Seen:
    """Return two devices, and nothing else; `broken` was not read whole."""
    sound = seen(devices=[device(), B])
    parts = {name: replace(getattr(sound, name), complete=False) for name in broken}
    return replace(sound, **parts)


def with_device(*devices: DeviceListing) -> Seen:
    return seen(devices=devices)


JUDGED = ORPHANS | FENCING


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (world(), {}),
        (world(nodes=1), {"": STALE | FENCING, "rds": JUDGED, "b": JUDGED}),
        (world(attachments=1), {"": STALE | FENCING, "rds": JUDGED, "b": JUDGED}),
        (
            world(volumes=1),
            {"": STALE | FENCING | HALF, "rds": JUDGED | HALF, "b": JUDGED | HALF},
        ),
        (world(contents=1), {"": SNAPSHOT, "rds": JUDGED | SNAPSHOT, "b": JUDGED | SNAPSHOT}),
        (world(views=1), {"": FENCING, "rds": JUDGED, "b": JUDGED}),
        (world(devices=1), dict.fromkeys(DEVICES, JUDGED | HALF)),
        (with_device(device(complete=False), B), {"rds": JUDGED | HALF}),
        (with_device(device(), replace(B, read_at=NOW - 1e4)), {"b": JUDGED | HALF}),
        (with_device(device(read_at=NOW), replace(B, read_at=NOW + 1)), {"b": JUDGED | HALF}),
    ],
)
def test_what_rests_on_what_could_not_be_read_is_remembered_and_the_rest_is_not(
    found: Seen, kept: Kept
) -> None:
    known = sights()
    memory = Memory(first_seen=dict.fromkeys(known.values(), NOW - 5))

    decision = decide(found, memory, RULES, NOW)

    left = {key for key, name in known.items() if decision.memory.first_seen.get(name) == NOW - 5}
    assert left == {(kind, name) for name, kinds_ in kept.items() for kind in kinds_}


def test_a_device_that_was_read_after_the_cluster_keeps_what_waits_there() -> None:
    known = sights()
    memory = Memory(first_seen=dict.fromkeys(known.values(), NOW - 5))
    late = seen(devices=[device(read_at=NOW), B])
    early = replace(late, nodes=replace(late.nodes, read_at=NOW - 0.5))

    decision = decide(early, memory, RULES, NOW)

    kept = {key for key, name in known.items() if name in decision.memory.first_seen}
    assert kept == {(kind, "rds") for kind in JUDGED}


@pytest.mark.parametrize(
    ("part", "what", "also"),
    [
        ("nodes", "Nodes", True),
        ("attachments", "VolumeAttachments", True),
        ("volumes", "PersistentVolumes", True),
        ("contents", "VolumeSnapshotContents", False),
        ("views", "The controller's attachments", False),
        ("devices", "The controller's devices", False),
    ],
)
@pytest.mark.parametrize(
    ("error", "why"),
    [("it is away", "it is away"), ("", "the listing is not whole, or too old")],
)
def test_people_hear_what_cannot_be_read_and_why(
    part: str,
    what: str,
    also: bool,  # noqa: FBT001 (an expectation)
    error: str,
    why: str,
) -> None:
    whole = seen()
    broken = replace(getattr(whole, part), complete=False, error=error)

    decision = decide(replace(whole, **{part: broken}), Memory(), RULES, NOW)

    (finding,) = decision.findings
    assert finding.state is FindingState.HELD_BACK
    assert finding.reason == f"{what} cannot be read: {why}."
    unknown = ["stale attachments cannot be told: the cluster is not known"] if also else []
    assert list(decision.incomplete) == sorted([f"{what} cannot be read: {why}", *unknown])


@pytest.mark.parametrize(
    ("complete", "late"), [(False, 0.0), (True, RULES.max_device_age + 0.1), (True, -0.1)]
)
def test_nobody_is_let_in_by_what_the_controller_said_long_ago(
    complete: bool,  # noqa: FBT001 (a field)
    late: float,
) -> None:
    shut_out = seen(
        nodes=[node("a", **in_use(V1))],
        vas=[va()],
        pvs=[pv()],
        devices=[device(volume(fenced=True))],
        views=[view(admission=Admission.SHUT_OUT)],
    )
    first = decide(shut_out, Memory(), RULES, NOW)
    then = NOW + RULES.fencing
    later = at(shut_out, then)
    views = replace(later.views, complete=complete, read_at=then - late)

    blind = decide(replace(later, views=views), first.memory, RULES, then)
    mended = decide(later, blind.memory, RULES, then)

    assert blind.actions == ()
    assert [kind.value for kind in kinds(mended)] == ["unfence"]
