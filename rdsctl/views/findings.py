"""Findings, for people. Pure."""

from collections.abc import Sequence
from datetime import datetime

from protos.gen.rdscsi.reconciler import v1 as api
from protos.gen.rdscsi.reconciler.v1 import Change, Finding, FindingState, Subject
from rdsctl.blocks import Block, Cell, Line, Table, Tone, table
from rdsctl.words import age, ahead, plural, shown, word

_STATES = {
    FindingState.FOR_PEOPLE: Tone.BAD,
    FindingState.BACKING_OFF: Tone.BAD,
    FindingState.HELD_BACK: Tone.WARN,
    FindingState.ACTING: Tone.WARN,
    FindingState.IGNORED: Tone.FAINT,
    FindingState.RESOLVED: Tone.GOOD,
}

_CHANGES = {
    Change.ADDED: Tone.BAD,
    Change.UPDATED: Tone.WARN,
    Change.RESOLVED: Tone.GOOD,
    Change.PRESENT: Tone.FAINT,
}

SETTLED = frozenset({FindingState.IGNORED, FindingState.RESOLVED})
"""States in which nothing is wrong any more, or somebody said to leave it."""


def state_cell(state: FindingState) -> Cell:
    """Return a finding's state."""
    return Cell(shown(word(state)), _STATES.get(state, Tone.PLAIN))


def subject(of: Subject | None) -> str:
    """Return what a finding or action is about, in one word."""
    of = of or Subject()
    names = (
        of.volume_id,
        of.snapshot_id,
        of.path,
        of.persistent_volume,
        of.volume_snapshot_content,
        of.volume_attachment,
        of.node,
        of.device,
    )
    return next((name for name in names if name), "")


def findings_table(
    findings: Sequence[Finding], now: datetime, *, wide: bool, title: str = ""
) -> Table:
    """Return a table of findings."""
    headings = ["KIND", "STATE", "SUBJECT", "NODE", "AGE", "REASON"]
    if wide:
        headings += ["NEXT", "DUE", "FAILURES", "LAST ERROR", "CLAIM", "DEVICE", "ID"]
    return table(title, headings, (_row(finding, now, wide=wide) for finding in findings))


def _row(finding: Finding, now: datetime, *, wide: bool) -> list[str | Cell]:
    about = finding.subject or Subject()
    row: list[str | Cell] = [
        word(finding.kind),
        state_cell(finding.state),
        subject(about),
        about.node,
        age(finding.first_seen_at, now),
        finding.reason,
    ]
    if wide:
        row += [
            finding.next,
            ahead(finding.next_try_at or finding.due_at, now),
            str(finding.failures),
            finding.last_error,
            about.claim,
            about.device,
            finding.id,
        ]
    return row


def render(
    findings: Sequence[Finding], as_of: datetime | None, now: datetime, *, wide: bool
) -> tuple[Block, ...]:
    """Return what `rdsctl findings` says."""
    if not findings:
        if as_of is None:
            return (Line("No pass has ended yet, so nothing is known.", Tone.WARN),)
        return (Line(f"No findings, as of {age(as_of, now)} ago.", Tone.GOOD),)
    people = sum(finding.state is FindingState.FOR_PEOPLE for finding in findings)
    needs = f", {people} for people" if people else ""
    since = f", as of {age(as_of, now)} ago" if as_of else ""
    return (
        findings_table(findings, now, wide=wide),
        Line(f"{plural(len(findings), 'finding')}{needs}{since}.", Tone.FAINT),
    )


def change_row(change: Change, at: datetime | None, finding: Finding) -> Table:
    """Return a line of `rdsctl watch`."""
    about = finding.subject or api.Subject()
    row: list[str | Cell] = [
        at.astimezone().strftime("%H:%M:%S") if at else "",
        Cell(word(change), _CHANGES.get(change, Tone.PLAIN)),
        word(finding.kind),
        state_cell(finding.state),
        subject(about),
        about.node,
        finding.reason,
    ]
    return table("", (), [row], widths="8 8 20 11 40 8 1")
