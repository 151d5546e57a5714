"""IDs of findings: with another version of this program what waits must not wait anew."""

from dataclasses import replace

import pytest

from services.reconciler.findings import FindingKind
from services.reconciler.inventory import Seen
from services.reconciler.model import Admission, HalfState, ItemKind, Ready, SnapshotContent
from tests.unit.reconciler.values import (
    DRIVER,
    NOW,
    RULES,
    V1,
    decide_after,
    device,
    in_use,
    leftover,
    listed,
    node,
    one,
    only,
    pv,
    seen,
    snapshot,
    snapshot_id,
    va,
    view,
    volume,
)

AWAY = node("a", Ready.NO, ready_since=1.5)
OFF = node("a", Ready.NO, out_of_service=True)
IDLE = node("a", ready_since=1.5)
USING = replace(IDLE, **in_use(V1))
HOST = "nqn.2014-08.org.nvmexpress:uuid:b"
CONTENT = SnapshotContent("c", "uid-c", DRIVER, handles=(snapshot_id(1),))
OUT = view(admission=Admission.SHUT_OUT)
MIGRATING = seen(
    nodes=[node(name, **in_use(V1)) for name in "ab"],
    vas=[va(on="a"), va(on="b")],
    pvs=[pv()],
    views=[view(on="a"), view(on="b")],
)


def on_device(*volumes: object, **given: object) -> Seen:
    """Return a device, and no objects."""
    return seen(devices=[device(*volumes, **given)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "kind", "expected"),
    [
        (one(None), FindingKind.NODE_GONE, "node-gone-b1fe0bb55ea30236"),
        (one(OFF), FindingKind.NODE_OUT_OF_SERVICE, "node-out-of-service-b1fef18bc67a7735"),
        (one(AWAY), FindingKind.NODE_NOT_READY, "node-not-ready-b1fe7f2c87b0c502"),
        (one(IDLE), FindingKind.ATTACHMENT_UNUSED, "attachment-unused-b1fe7f2c87b0c502"),
        (
            one(IDLE, va=va(deleting_since=NOW)),
            FindingKind.ATTACHMENT_STUCK,
            "attachment-stuck-b1fe912688bffbce",
        ),
        (one(USING, view=OUT), FindingKind.FENCING_MISMATCH, "fencing-mismatch-b1feb0548dee05fd"),
        (
            on_device(volume(fenced=True, allowed_hosts=(HOST,))),
            FindingKind.FENCING_MISMATCH,
            "fencing-mismatch-a7ca68c638829054",
        ),
        (MIGRATING, FindingKind.MIGRATION_OVERDUE, "migration-overdue-b1fef859d5dbf2e8"),
        (on_device(volume()), FindingKind.ORPHAN_VOLUME, "orphan-volume-a7ca2137a84ca49f"),
        (
            on_device(snapshots=[snapshot(snapshot_id(1))]),
            FindingKind.ORPHAN_SNAPSHOT,
            "orphan-snapshot-a7cae0451db6b105",
        ),
        (
            on_device(leftovers=[leftover(V1)]),
            FindingKind.ORPHAN_FILE,
            "orphan-file-a7cad6f57f9e0b21",
        ),
        (
            on_device(leftovers=[leftover(V1, ItemKind.SUBVOLUME)]),
            FindingKind.ORPHAN_SUBVOLUME,
            "orphan-subvolume-a7cad6f57f9e0b21",
        ),
        (
            seen(pvs=[pv()], devices=[device()]),
            FindingKind.VOLUME_MISSING,
            "volume-missing-a7cab5ad4623da57",
        ),
        (
            seen(pvs=[pv()], devices=[device(leftovers=[leftover(V1)])]),
            FindingKind.DISK_MISSING,
            "disk-missing-a7cab5ad4623da57",
        ),
        (
            seen(pvs=[pv()], devices=[device(volume(half_state=HalfState.NO_FILE))]),
            FindingKind.FILE_MISSING,
            "file-missing-a7cab5ad4623da57",
        ),
        (
            seen(pvs=[pv()], devices=[device(volume(half_state=HalfState.NOT_EXPORTED))]),
            FindingKind.NOT_EXPORTED,
            "not-exported-a7cab5ad4623da57",
        ),
        (
            seen(contents=[CONTENT], devices=[device()]),
            FindingKind.SNAPSHOT_MISSING,
            "snapshot-missing-a7ca637b00c71670",
        ),
        (
            replace(seen(), nodes=replace(listed([]), complete=False)),
            FindingKind.UNREADABLE,
            "unreadable-b1fea2be0f213dc1",
        ),
        (on_device(complete=False), FindingKind.UNREADABLE, "unreadable-a7ca94766ec0fe2f"),
    ],
)
def test_a_finding_keeps_its_id_over_versions(
    found: Seen, kind: FindingKind, expected: str
) -> None:
    finding = only(decide_after(60, found, replace(RULES, stuck=0.0)), kind)

    assert finding.id == expected
