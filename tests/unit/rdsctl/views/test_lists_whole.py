"""All that `rdsctl findings`, `watch`, `orphans` and `reconcile` say, line by line."""

from datetime import UTC, datetime, timedelta

import pytest

from protos.gen.rdscsi.controller.v1 import ItemKind
from protos.gen.rdscsi.reconciler.v1 import (
    Action,
    ActionKind,
    ActionState,
    Change,
    Decision,
    DecisionKind,
    Finding,
    FindingKind,
    FindingState,
    Orphan,
    RunPassResponse,
    Subject,
)
from rdsctl.views import findings, orphans, passes
from tests.unit.rdsctl.views.lines import lines_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGO, LATER = NOW - timedelta(hours=3), NOW + timedelta(hours=5)
SOON = NOW + timedelta(hours=2)


def found() -> list[Finding]:
    subject = Subject(volume_id="v", node="a", claim="ns/data", device="rds")
    return [
        Finding(
            id="f",
            kind=FindingKind.NODE_GONE,
            state=FindingState.BACKING_OFF,
            subject=subject,
            reason="the node is gone",
            next="it is detached",
            first_seen_at=AGO,
            due_at=LATER,
            next_try_at=SOON,
            failures=2,
            last_error="busy",
        ),
        Finding(id="g", kind=FindingKind.UNREADABLE, state=FindingState.WAITING, due_at=LATER),
    ]


# Findings


def test_findings_are_told_line_by_line() -> None:
    assert lines_of(findings.render(found(), AGO, NOW, wide=False)) == [
        "# : KIND | STATE | SUBJECT | NODE | AGE | REASON",
        "node-gone | backing-off (bad) | v | a | 3h | the node is gone",
        "unreadable | waiting | - | - | - | -",
        "2 findings, as of 3h ago. (faint)",
    ]


def test_wide_findings_say_what_comes_next_and_when_it_is_tried_again() -> None:
    assert lines_of([findings.findings_table(found(), NOW, wide=True)]) == [
        (
            "# : KIND | STATE | SUBJECT | NODE | AGE | REASON | NEXT | DUE | FAILURES | LAST ERROR "
            "| CLAIM | DEVICE | ID"
        ),
        (
            "node-gone | backing-off (bad) | v | a | 3h | the node is gone | it is detached | in "
            "2h | 2 | busy | ns/data | rds | f"
        ),
        "unreadable | waiting | - | - | - | - | - | in 5h | 0 | - | - | - | g",
    ]


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (FindingState.UNSPECIFIED, "-"),
        (FindingState.WAITING, "waiting"),
        (FindingState.ACTING, "acting (warn)"),
        (FindingState.BACKING_OFF, "backing-off (bad)"),
        (FindingState.HELD_BACK, "held-back (warn)"),
        (FindingState.FOR_PEOPLE, "for-people (bad)"),
        (FindingState.IGNORED, "ignored (faint)"),
        (FindingState.RESOLVED, "resolved (good)"),
    ],
)
def test_a_state_has_its_tone_and_only_two_are_settled(state: FindingState, text: str) -> None:
    (_, row, _) = lines_of(findings.render([Finding(state=state)], None, NOW, wide=False))

    assert row == f"- | {text} | - | - | - | -"
    assert (state in findings.SETTLED) is (text in {"ignored (faint)", "resolved (good)"})


def test_a_subject_is_named_from_the_narrowest_to_the_widest() -> None:
    fields = (
        "volume_id",
        "snapshot_id",
        "path",
        "persistent_volume",
        "volume_snapshot_content",
        "volume_attachment",
        "node",
        "device",
    )

    named = [
        findings.subject(Subject(**{field: field for field in fields[at:]}))
        for at in range(len(fields))
    ]

    assert named == list(fields)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Change.UNSPECIFIED, "-"),
        (Change.PRESENT, "present (faint)"),
        (Change.ADDED, "added (bad)"),
        (Change.UPDATED, "updated (warn)"),
        (Change.RESOLVED, "resolved (good)"),
    ],
)
def test_a_change_is_one_row_whose_columns_stay_where_they_are(change: Change, text: str) -> None:
    made = findings.change_row(change, NOW, found()[0])

    assert lines_of([made]) == [
        "# : ",
        (
            f"{NOW.astimezone():%H:%M:%S} | {text} | node-gone | backing-off (bad) | v | a | the "
            "node is gone"
        ),
    ]
    assert made.widths == (8, 8, 20, 11, 40, 8, 1)


# Orphans


def orphan(name: str = "/p/x.img", kind: ItemKind = ItemKind.FILE, device: str = "rds") -> Orphan:
    return Orphan(kind=kind, id=name, device=device, size_bytes=1 << 30, fingerprint="p")


def of(item: Orphan) -> Finding:
    return Finding(
        state=FindingState.HELD_BACK,
        orphan=item,
        first_seen_at=AGO,
        due_at=LATER,
        reason="nothing refers to it",
        next="it is removed",
    )


def decided(kind: DecisionKind) -> Orphan:
    return Orphan(kind=ItemKind.SUBVOLUME, id="w", decision=Decision(kind=kind, by="ann", at=AGO))


def test_orphans_are_told_line_by_line() -> None:
    approved, ignored = decided(DecisionKind.APPROVED), decided(DecisionKind.IGNORED)
    ignored.id = "z"
    items = orphans.join([of(orphan()), of(approved)], [approved, ignored])

    assert lines_of(orphans.render(items, (), NOW, wide=False)) == [
        "# : KIND | ID | DEVICE | SIZE | AGE | STATE | DUE | DECISION",
        "file | /p/x.img | rds | 1 GiB | 3h | held-back (warn) | in 5h | -",
        "subvolume | w | - | - | 3h | held-back (warn) | in 5h | approved by ann 3h ago (warn)",
        "subvolume | z | - | - | - | gone | - | ignored by ann 3h ago (faint)",
        "2 orphans, 1 GiB in all. (faint)",
    ]
    assert [orphans.is_decided(item) for item in items] == [False, True, True]


def test_wide_orphans_say_why_what_comes_next_and_as_what_they_were_seen() -> None:
    items = orphans.join([of(orphan())], [orphan("gone")])

    assert lines_of(orphans.render(items, (), NOW, wide=True)) == [
        (
            "# : KIND | ID | DEVICE | SIZE | AGE | STATE | DUE | DECISION | REASON | NEXT | "
            "FINGERPRINT"
        ),
        (
            "file | /p/x.img | rds | 1 GiB | 3h | held-back (warn) | in 5h | - | nothing refers to "
            "it | it is removed | p"
        ),
        "file | gone | rds | 1 GiB | - | gone | - | - | - | - | p",
        "1 orphan, 1 GiB in all. (faint)",
    ]
    assert [orphans.is_decided(item) for item in items] == [False, True]


@pytest.mark.parametrize(
    "other",
    [
        ("/p/y.img", ItemKind.FILE, "rds"),
        ("/p/x.img", ItemKind.SUBVOLUME, "rds"),
        ("/p/x.img", ItemKind.FILE, "b"),
    ],
)
def test_an_orphan_is_the_same_one_where_kind_device_and_name_are(
    other: tuple[str, ItemKind, str],
) -> None:
    items = orphans.join([of(orphan())], [orphan(), orphan(*other)])

    assert [item.finding is None for item in items] == [False, True]


def test_kinds_of_findings_about_orphans_are_all_that_there_are() -> None:
    named = [kind for kind in FindingKind if (kind.name or "").startswith("ORPHAN_")]

    assert list(orphans.KINDS) == named
    assert len(named) == 4


# Passes


def test_a_pass_of_which_nothing_is_known_is_told_all_the_same() -> None:
    assert lines_of(passes.render(RunPassResponse(), wide=False)) == [
        "Pass number 0 (no reason given): -, 0 findings, 0 actions planned, 0 done. (warn)",
        "# : ACTION | STATE | SUBJECT | NODE | TEXT | ERROR",
    ]


def test_what_a_pass_did_is_told_line_by_line() -> None:
    answer = RunPassResponse(
        actions=[
            Action(kind=ActionKind.DETACH, state=ActionState.DONE, text="done so"),
            Action(
                state=ActionState.FAILED,
                subject=Subject(volume_id="v", node="a"),
                error="busy",
                finding_id="f",
            ),
            Action(state=ActionState.WAITING),
            Action(state=ActionState.PLANNED),
        ],
        actions_total=4,
    )

    assert lines_of(passes.render(answer, wide=True))[1:] == [
        "# : ACTION | STATE | SUBJECT | NODE | TEXT | ERROR | FINDING",
        "detach | done (good) | - | - | done so | - | -",
        "- | failed (bad) | v | a | - | busy | f",
        "- | waiting (warn) | - | - | - | - | -",
        "- | planned | - | - | - | - | -",
    ]
