"""What `rdsctl findings`, `watch`, `orphans` and `reconcile` say."""

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
    Pass,
    PassResult,
    RunPassResponse,
    Subject,
    Trigger,
)
from rdsctl.blocks import Cell, Line, Table, Tone
from rdsctl.jsonform import to_json
from rdsctl.views import findings, orphans, passes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGO, LATER = NOW - timedelta(hours=3), NOW + timedelta(hours=5)
FINDING = Finding(
    id="f",
    kind=FindingKind.NODE_GONE,
    state=FindingState.FOR_PEOPLE,
    subject=Subject(volume_id="v", node="a", claim="ns/data", device="rds"),
    reason="the node is gone",
    first_seen_at=AGO,
    due_at=LATER,
    failures=2,
    last_error="busy",
)
FILE = Orphan(
    kind=ItemKind.FILE, id="/pool/x.img", device="rds", size_bytes=1 << 30, fingerprint="p"
)


def rows(block: object) -> list[dict[str, Cell]]:
    assert isinstance(block, Table)
    return [dict(zip(block.headings, row, strict=True)) for row in block.rows]


# Findings


def test_before_a_pass_has_ended_no_finding_does_not_mean_that_all_is_well() -> None:
    said = findings.render((), None, NOW, wide=False)

    assert said == (Line("No pass has ended yet, so nothing is known.", Tone.WARN),)


def test_without_findings_it_is_said_when_that_was_seen() -> None:
    assert findings.render((), AGO, NOW, wide=False) == (
        Line("No findings, as of 3h ago.", Tone.GOOD),
    )


@pytest.mark.parametrize(
    ("states", "as_of", "text"),
    [
        ([FindingState.FOR_PEOPLE], AGO, "1 finding, 1 for people, as of 3h ago."),
        ([FindingState.ACTING, FindingState.ACTING], None, "2 findings."),
    ],
)
def test_findings_are_counted_and_so_are_those_for_people(
    states: list[FindingState], as_of: datetime | None, text: str
) -> None:
    given = [Finding(state=state) for state in states]

    assert findings.render(given, as_of, NOW, wide=False)[-1] == Line(text, Tone.FAINT)


def test_a_finding_is_a_row_and_a_wide_one_says_what_comes_next() -> None:
    (row,) = rows(findings.findings_table([FINDING], NOW, wide=True))

    assert row["STATE"] == Cell("for-people", Tone.BAD)
    assert row["SUBJECT"].text == "v"
    assert row["AGE"].text == "3h"
    assert row["DUE"].text == "in 5h"
    assert row["FAILURES"].text == "2"
    assert row["CLAIM"].text == "ns/data"


@pytest.mark.parametrize(
    ("about", "name"),
    [
        (None, ""),
        (Subject(snapshot_id="s", node="a"), "s"),
        (Subject(path="/p", persistent_volume="pv"), "/p"),
        (Subject(node="a", device="rds"), "a"),
        (Subject(device="rds"), "rds"),
    ],
)
def test_a_subject_is_the_narrowest_thing_that_is_named(about: Subject | None, name: str) -> None:
    assert findings.subject(about) == name


def test_a_change_is_a_line_with_its_time() -> None:
    (row,) = findings.change_row(Change.RESOLVED, NOW, FINDING).rows

    assert row[0].text == NOW.astimezone().strftime("%H:%M:%S")
    assert row[1] == Cell("resolved", Tone.GOOD)


def test_a_change_of_something_unknown_at_an_unknown_time_is_a_line_all_the_same() -> None:
    (row,) = findings.change_row(Change.ADDED, None, Finding()).rows

    assert row[0].text == "-"
    assert row[1] == Cell("added", Tone.BAD)


# Orphans


def found(orphan: Orphan = FILE) -> Finding:
    return Finding(
        kind=FindingKind.ORPHAN_FILE,
        state=FindingState.HELD_BACK,
        orphan=orphan,
        first_seen_at=AGO,
        due_at=LATER,
        reason="nothing refers to it",
    )


def decided(**fields: object) -> Orphan:
    decision = Decision(kind=DecisionKind.APPROVED, **fields)  # type: ignore[arg-type]
    return Orphan(kind=ItemKind.FILE, id="/pool/y.img", device="b", decision=decision)


def test_no_orphan_is_good() -> None:
    assert orphans.render((), (), NOW, wide=False) == (Line("No orphans.", Tone.GOOD),)


def test_what_was_decided_about_and_is_gone_comes_last() -> None:
    items = orphans.join([found(), Finding()], [FILE, decided()])

    assert [(item.orphan.id, item.finding is None) for item in items] == [
        ("/pool/x.img", False),
        ("/pool/y.img", True),
    ]
    assert [orphans.is_decided(item) for item in items] == [False, True]


def test_orphans_of_one_device_are_those_on_it() -> None:
    items = orphans.join([found()], [decided()], "b")

    assert [item.orphan.device for item in items] == ["b"]


def test_an_orphan_is_a_row_with_its_size_its_date_and_no_decision() -> None:
    table, tail = orphans.render(orphans.join([found()], []), (), NOW, wide=True)

    (row,) = rows(table)
    assert row["SIZE"].text == "1 GiB"
    assert row["STATE"] == Cell("held-back", Tone.WARN)
    assert row["DUE"].text == "in 5h"
    assert row["DECISION"] == Cell("-")
    assert row["REASON"].text == "nothing refers to it"
    assert tail == Line("1 orphan, 1 GiB in all.", Tone.FAINT)


def test_what_is_gone_does_not_count() -> None:
    table, tail = orphans.render(orphans.join([], [decided()]), (), NOW, wide=False)

    (row,) = rows(table)
    assert row["STATE"].text == "gone"
    assert tail == Line("0 orphans, - in all.", Tone.FAINT)


@pytest.mark.parametrize(
    ("orphan", "text"),
    [
        (decided(), "approved by somebody "),
        (
            decided(by="ann", at=AGO, until=LATER, reason="agreed"),
            "approved by ann 3h ago, ends in 5h: agreed",
        ),
    ],
)
def test_a_decision_says_who_when_until_when_and_why(orphan: Orphan, text: str) -> None:
    table, _ = orphans.render(orphans.join([], [orphan]), (), NOW, wide=False)

    assert rows(table)[0]["DECISION"] == Cell(text.strip(), Tone.WARN)


@pytest.mark.parametrize(
    ("orphan", "text"),
    [(FILE, "file /pool/x.img (1 GiB) on device rds"), (Orphan(), "orphan - (-)")],
)
def test_an_orphan_has_a_name_for_a_sentence(orphan: Orphan, text: str) -> None:
    assert orphans.name(orphan) == text


def test_scripts_get_orphans_with_their_findings() -> None:
    made = orphans.document(orphans.join([], [FILE]), ())

    assert made["orphans"] == [{"orphan": to_json(FILE), "finding": None}]


# Passes


def test_a_pass_says_what_it_found_did_and_left_out() -> None:
    answer = RunPassResponse(
        pass_=Pass(
            number=7,
            trigger=Trigger.TIMER,
            result=PassResult.FAILED_ACTIONS,
            findings=1,
            actions_planned=2,
            actions_done=1,
            actions_failed=1,
            message="see the log",
        ),
        actions=[
            Action(
                kind=ActionKind.DETACH,
                state=ActionState.FAILED,
                subject=Subject(volume_id="v", node="a"),
                error="busy",
                finding_id="f",
            )
        ],
        actions_total=2,
    )

    head, table, more = passes.render(answer, wide=True)

    assert head == Line(
        "Pass number 7 (timer): failed-actions, 1 finding, 2 actions planned, 1 done, 1 failed. "
        "see the log",
        Tone.BAD,
    )
    (row,) = rows(table)
    assert row["STATE"] == Cell("failed", Tone.BAD)
    assert (row["NODE"].text, row["ERROR"].text, row["FINDING"].text) == ("a", "busy", "f")
    assert more == Line("... and 1 more.", Tone.FAINT)


def test_a_dry_run_that_went_well_is_one_line_and_no_rows() -> None:
    answer = RunPassResponse(pass_=Pass(number=1, dry_run=True, result=PassResult.DONE))

    head, table = passes.render(answer, wide=False)

    assert isinstance(head, Line)
    assert head.text.startswith("Dry run number 1 (no reason given): done, 0 findings")
    assert head.tone is Tone.GOOD
    assert rows(table) == []


@pytest.mark.parametrize(
    ("done", "tone"),
    [
        (Pass(result=PassResult.DONE), Tone.GOOD),
        (Pass(result=PassResult.DONE, actions_planned=1), Tone.WARN),
        (Pass(result=PassResult.INCOMPLETE), Tone.BAD),
    ],
)
def test_the_head_of_a_pass_has_the_tone_of_how_it_went(done: Pass, tone: Tone) -> None:
    head, *_ = passes.render(RunPassResponse(pass_=done), wide=False)

    assert isinstance(head, Line)
    assert head.tone is tone


@pytest.mark.parametrize(
    ("done", "is_good"),
    [
        (None, False),
        (Pass(result=PassResult.DONE), True),
        (Pass(result=PassResult.DONE, actions_failed=1), False),
        (Pass(result=PassResult.INCOMPLETE), False),
        (Pass(result=PassResult.INCOMPLETE, actions_planned=1, actions_done=1), False),
        (Pass(result=PassResult.DONE, actions_planned=2, actions_done=1), False),
        (Pass(result=PassResult.DONE, actions_planned=2, actions_done=2), True),
        (Pass(result=PassResult.DONE, actions_planned=1, actions_done=2), True),
        (Pass(result=PassResult.DONE, actions_planned=2, dry_run=True), True),
        (Pass(result=PassResult.INCOMPLETE, dry_run=True), False),
    ],
)
def test_a_pass_went_well_where_all_was_known_and_all_was_done(
    done: Pass | None,
    is_good: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert passes.went_well(RunPassResponse(pass_=done)) is is_good
