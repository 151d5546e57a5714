from protos.gen.rdscsi.reconciler.v1 import (
    Change,
    Finding,
    FindingChange,
    FindingState,
    WatchFindingsResponse,
)
from rdsctl.watching import Tracker


def part(
    *changes: tuple[Change, str], synced: bool = False, reason: str = ""
) -> WatchFindingsResponse:
    return WatchFindingsResponse(
        changes=[
            FindingChange(change=change, finding=Finding(id=key, reason=reason))
            for change, key in changes
        ],
        synced=synced,
    )


def news(tracker: Tracker, message: WatchFindingsResponse) -> list[tuple[Change, str]]:
    return [(c.change, c.finding.id) for c in tracker.take(message) if c.finding is not None]


def connected(*keys: str, only_changes: bool = False) -> Tracker:
    tracker = Tracker(only_changes=only_changes)
    tracker.begin()
    list(tracker.take(part(*((Change.PRESENT, key) for key in keys), synced=True)))
    return tracker


def test_what_is_there_at_first_is_told_unless_only_changes_are_wanted() -> None:
    loud, quiet = Tracker(), Tracker(only_changes=True)
    first = part((Change.PRESENT, "a"), synced=True)

    assert news(loud, first) == [(Change.PRESENT, "a")]
    assert news(quiet, first) == []
    assert len(quiet) == 1


def test_a_new_connection_tells_only_what_is_new() -> None:
    tracker = connected("a", "b")

    tracker.begin()
    again = part((Change.PRESENT, "b"), (Change.PRESENT, "c"), synced=True)

    assert news(tracker, again) == [(Change.PRESENT, "c"), (Change.RESOLVED, "a")]


def test_what_changed_while_there_was_no_connection_is_a_change() -> None:
    tracker = connected("a", only_changes=True)

    tracker.begin()

    assert news(tracker, part((Change.PRESENT, "b"))) == [(Change.PRESENT, "b")]
    assert news(tracker, part(synced=True)) == [(Change.RESOLVED, "a")]


def test_nothing_counts_as_vanished_before_the_list_is_whole() -> None:
    tracker = connected("a", "b")

    tracker.begin()

    assert news(tracker, part((Change.PRESENT, "b"))) == []


def test_a_finding_that_reads_otherwise_after_a_new_connection_is_told() -> None:
    tracker = connected("a")

    tracker.begin()
    changed = part((Change.PRESENT, "a"), reason="now this", synced=True)

    assert news(tracker, changed) == [(Change.PRESENT, "a")]


def test_changes_on_a_connection_are_always_told() -> None:
    tracker = connected("a", only_changes=True)

    assert news(tracker, part((Change.UPDATED, "a"))) == [(Change.UPDATED, "a")]
    assert news(tracker, part((Change.RESOLVED, "a"))) == [(Change.RESOLVED, "a")]
    assert len(tracker) == 0


def test_a_finding_that_is_resolved_is_not_told_to_have_vanished_later() -> None:
    tracker = connected("a")
    state = FindingChange(
        change=Change.RESOLVED, finding=Finding(id="a", state=FindingState.RESOLVED)
    )
    list(tracker.take(WatchFindingsResponse(changes=[state])))

    tracker.begin()

    assert news(tracker, part(synced=True)) == []
