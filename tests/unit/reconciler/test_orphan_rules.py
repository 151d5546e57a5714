"""Orphans in every detail: what is told of them, what is removed, and what keeps one."""

from dataclasses import replace
from typing import Any

import pytest

from services.reconciler.findings import (
    Action,
    ActionKind,
    FindingKind,
    FindingState,
    Orphan,
    Subject,
)
from services.reconciler.inventory import Seen
from services.reconciler.memory import DecisionKind, Memory, mark
from services.reconciler.model import HalfState, ItemKind
from services.reconciler.plan.decide import decide
from tests.unit.reconciler.fleet import (
    APPROVED,
    KEY,
    S1,
    STOCK,
    fleet,
    removed,
    said,
)
from tests.unit.reconciler.values import (
    ACTIVE,
    BASE,
    DEVICE,
    NOW,
    RULES,
    V1,
    V2,
    decide_after,
    device,
    leftover,
    node,
    only,
    snapshot,
    the,
    volume,
    volume_id,
)

FILE, SUBVOLUME = f"{BASE}/{V1}.img", f"{BASE}/{V1}"
SNAPSHOT_AT = f"{BASE}/{S1}.of.img"
KINDS = {
    ItemKind.VOLUME: FindingKind.ORPHAN_VOLUME,
    ItemKind.SNAPSHOT: FindingKind.ORPHAN_SNAPSHOT,
    ItemKind.FILE: FindingKind.ORPHAN_FILE,
    ItemKind.SUBVOLUME: FindingKind.ORPHAN_SUBVOLUME,
}


@pytest.mark.parametrize(
    ("item", "orphan", "subject", "begin"),
    [
        (
            volume(),
            Orphan(ItemKind.VOLUME, DEVICE, V1, 1 << 30, f"print-{V1}"),
            Subject(volume_id=V1, device=DEVICE),
            f"Volume {V1} is on the device",
        ),
        (
            snapshot(S1, size_bytes=5),
            Orphan(ItemKind.SNAPSHOT, DEVICE, S1, 5, f"print-{S1}"),
            Subject(snapshot_id=S1, device=DEVICE, path=SNAPSHOT_AT),
            f"Snapshot {S1} is on the device",
        ),
        (
            leftover(V1, size_bytes=6),
            Orphan(ItemKind.FILE, DEVICE, FILE, 6, f"print-{V1}"),
            Subject(volume_id=V1, device=DEVICE, path=FILE),
            f"No disk uses this file, which is named for volume {V1},",
        ),
        (
            leftover(V1, ItemKind.SUBVOLUME, path=SUBVOLUME),
            Orphan(ItemKind.SUBVOLUME, DEVICE, SUBVOLUME, 0, f"print-{V1}"),
            Subject(volume_id=V1, device=DEVICE, path=SUBVOLUME),
            f"No disk uses this subvolume, which is named for volume {V1},",
        ),
    ],
)
def test_an_orphan_is_told_and_removed_as_what_it_was_listed_as(
    item: object, orphan: Orphan, subject: Subject, begin: str
) -> None:
    waiting = only(decide_after(ACTIVE.orphan - 0.2, fleet(item), ACTIVE), KINDS[orphan.kind])
    decision = decide_after(ACTIVE.orphan, fleet(item), ACTIVE)

    assert (waiting.state, waiting.due) == (FindingState.WAITING, NOW + ACTIVE.orphan)
    assert (waiting.orphan, waiting.subject) == (orphan, subject)
    assert waiting.reason.startswith(begin)
    assert the(decision) == Action(
        ActionKind.DELETE_ORPHAN,
        waiting.id,
        subject,
        f"Remove {orphan.kind.value} {orphan.id} from {DEVICE}",
        waiting.reason,
        item=orphan.kind,
        item_id=orphan.id,
        fingerprint=orphan.fingerprint,
    )


def test_the_reason_of_what_was_approved_names_who_did() -> None:
    decision = decide(fleet(volume()), APPROVED, RULES, NOW)

    (finding,) = decision.findings
    assert the(decision).reason == f"{finding.reason} anna approved that: old test"
    assert finding.orphan is not None
    assert finding.orphan.decision == APPROVED.decisions[KEY]


def test_in_a_dry_run_people_hear_that_waiting_changes_nothing() -> None:
    dry = only(decide_after(0, fleet(volume()), RULES), FindingKind.ORPHAN_VOLUME)
    wet = only(decide_after(0, fleet(volume()), ACTIVE), FindingKind.ORPHAN_VOLUME)

    assert dry.next == "Then it is still only reported, since this is a dry run."
    assert wet.next == "Then it is removed."


@pytest.mark.parametrize(
    "odd",
    [
        volume("pvc-x.y", path=f"{BASE}/a.img"),
        volume("disk1"),
        volume("x y"),
        leftover("x y", path=f"{BASE}/x.img"),
        snapshot("pvc-x"),
        volume(V1, path=f"{BASE}/../other/x.img"),
        volume(V1, path=f"{BASE}/./x.img"),
        volume(V1, path=BASE),
        volume(V1, fingerprint=""),
        volume(f"{V1}@rds", path=FILE),
    ],
)
def test_what_this_driver_cannot_have_made_is_left_to_people_whatever_they_said(
    odd: Any,
) -> None:
    decision = decide_after(ACTIVE.orphan, fleet(odd), ACTIVE)

    (finding,) = decision.findings
    assert finding.state is FindingState.FOR_PEOPLE
    assert finding.next == "It is not where this driver puts things, and is left alone."
    assert decision.actions == ()


def with_device(*items: Any, **fields: Any) -> Seen:
    return fleet(*items, devices=[device(*STOCK, *items, **fields)])


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        ({}, [V1]),
        ({"base_paths": ("/other", BASE)}, [V1]),
        ({"base_paths": ("/other",)}, []),
        ({"base_paths": ()}, []),
        ({"managed_prefixes": ("vol-", "pvc-")}, [V1]),
        ({"managed_prefixes": ("vol-",)}, []),
        ({"managed_prefixes": ()}, []),
    ],
)
def test_only_what_lies_in_a_devices_directories_under_its_prefixes_is_removed(
    fields: dict[str, Any], gone: list[str]
) -> None:
    decision = decide_after(ACTIVE.orphan, with_device(volume(), **fields), ACTIVE)

    assert removed(decision) == gone


def test_what_is_on_another_device_is_removed_under_that_devices_name() -> None:
    mine, other = volume_id(1, "b"), volume_id(2)
    second = device(volume(mine), volume(other), device="b", is_default=False)
    listing = fleet(devices=[device(*STOCK), second])
    rules = replace(ACTIVE, max_orphans_percent=100)

    decision = decide_after(ACTIVE.orphan, listing, rules)

    assert removed(decision) == [mine]
    assert the(decision).subject == Subject(volume_id=mine, device="b")


NQN = "nqn.2014-08.org.nvmexpress:uuid:"
TWO = [node(name, host_nqn=f"{NQN}x") for name in "cb"]


@pytest.mark.parametrize(
    ("busy", "why"),
    [
        (fleet(volume(copying_to=("pvc-b", "pvc-a"))), "It is being copied to pvc-a, pvc-b."),
        (
            fleet(volume(half_state=HalfState.ELSEWHERE)),
            "Its file is not where this driver would have put it.",
        ),
        (
            fleet(volume(fenced=True, allowed_hosts=(f"{NQN}x",)), nodes=TWO),
            "The device lets in node b, c.",
        ),
    ],
)
@pytest.mark.parametrize("memory", [Memory(), APPROVED])
def test_what_is_busy_on_the_device_is_held_back_even_if_approved(
    busy: Seen, why: str, memory: Memory
) -> None:
    decision = decide_after(ACTIVE.orphan, busy, ACTIVE, memory)

    finding = only(decision, FindingKind.ORPHAN_VOLUME)
    assert (finding.state, finding.next) == (FindingState.HELD_BACK, why)
    assert decision.actions == ()


def test_a_list_of_hosts_that_nobody_is_on_or_that_is_off_keeps_nothing() -> None:
    nobody = fleet(volume(fenced=True, allowed_hosts=(f"{NQN}gone",)))
    off = fleet(volume(allowed_hosts=(f"{NQN}x",)), nodes=TWO)

    assert removed(decide_after(ACTIVE.orphan, nobody, ACTIVE)) == [V1]
    assert removed(decide_after(ACTIVE.orphan, off, ACTIVE)) == [V1]


def test_only_what_was_to_be_retained_is_left_to_people() -> None:
    memory = Memory(retained=frozenset({mark(V1)}))

    decision = decide_after(ACTIVE.orphan, fleet(volume(), volume(V2)), ACTIVE, memory)

    assert removed(decision) == [V2]


def test_what_was_to_be_retained_goes_when_a_person_approves_it() -> None:
    memory = replace(APPROVED, retained=frozenset({mark(V1)}))

    assert removed(decide(fleet(volume()), memory, RULES, NOW)) == [V1]


def test_people_hear_who_said_to_leave_it_and_why() -> None:
    memory = said(DecisionKind.IGNORED, KEY, "print")

    finding = only(decide(fleet(volume()), memory, ACTIVE, NOW), FindingKind.ORPHAN_VOLUME)

    assert finding.next == "anna said to leave it: old test"
    assert finding.orphan is not None
    assert finding.orphan.decision == memory.decisions[KEY]
