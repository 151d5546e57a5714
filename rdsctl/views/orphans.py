"""What nothing refers to, and what people decided about it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from protos.gen.rdscsi.reconciler.v1 import (
    Decision,
    DecisionKind,
    Finding,
    FindingKind,
    FindingState,
    Orphan,
    Subject,
)
from rdsctl.blocks import Block, Cell, Line, Tone, table
from rdsctl.jsonform import Json, to_json
from rdsctl.views.findings import state_cell
from rdsctl.words import NOTHING, age, ahead, clean, plural, shown, size, word

KINDS = (
    FindingKind.ORPHAN_VOLUME,
    FindingKind.ORPHAN_SNAPSHOT,
    FindingKind.ORPHAN_FILE,
    FindingKind.ORPHAN_SUBVOLUME,
)
"""Kinds of findings that are about an orphan."""

_DECISIONS = {DecisionKind.APPROVED: Tone.WARN, DecisionKind.IGNORED: Tone.FAINT}


@dataclass(frozen=True, slots=True)
class Item:
    """An orphan with its finding; without one it is gone from the device, or not one any more."""

    orphan: Orphan
    finding: Finding | None


def join(findings: Sequence[Finding], decided: Sequence[Orphan], device: str = "") -> list[Item]:
    """Return the orphans that there are, and then those that were decided about and are gone.

    Args:
        findings: about orphans.
        decided: orphans with decisions.
        device: only what is on this one; empty for all.
    """
    found = [Item(f.orphan, f) for f in findings if f.orphan is not None]
    known = {_key(item.orphan) for item in found}
    gone = [Item(orphan, None) for orphan in decided if _key(orphan) not in known]
    return [item for item in (*found, *gone) if device in ("", item.orphan.device)]


def _key(orphan: Orphan) -> tuple[int, str, str]:
    return orphan.kind.value, orphan.device, orphan.id


def is_decided(item: Item) -> bool:
    """Whether somebody has decided about it, or there is nothing to decide any more."""
    return item.finding is None or item.orphan.decision is not None


def unknown(findings: Sequence[Finding], as_of: datetime | None, device: str = "") -> list[str]:
    """Return why there may be orphans that are not listed, a sentence each.

    Args:
        findings: about orphans, and about what cannot be read.
        as_of: when findings were last told; None where that never was.
        device: the only one that matters; empty for all.
    """
    if as_of is None:
        return ["no pass has ended yet"]
    return [f.reason for f in findings if _hides_orphans(f, device)]


def _hides_orphans(finding: Finding, device: str) -> bool:
    on = (finding.subject or Subject()).device
    is_unread = finding.kind is FindingKind.UNREADABLE
    return is_unread and finding.state is not FindingState.RESOLVED and device in ("", on or device)


def render(
    items: Sequence[Item], unknown: Sequence[str], now: datetime, *, wide: bool
) -> tuple[Block, ...]:
    """Return what `rdsctl orphans` says.

    Args:
        items: the orphans.
        unknown: why there may be more.
        now: the time.
        wide: whether to show every column.
    """
    doubts = tuple(Line(f"Not known: {clean(why)}", Tone.WARN) for why in unknown)
    if not items:
        text = "No orphan is known." if unknown else "No orphans."
        return (*doubts, Line(text, Tone.WARN if unknown else Tone.GOOD))
    headings = ["KIND", "ID", "DEVICE", "SIZE", "AGE", "STATE", "DUE", "DECISION"]
    if wide:
        headings += ["REASON", "NEXT", "FINGERPRINT"]
    there = [item for item in items if item.finding is not None]
    total = sum(item.orphan.size_bytes for item in there)
    return (
        *doubts,
        table("", headings, (_row(item, now, wide=wide) for item in items)),
        Line(f"{plural(len(there), 'orphan')}, {size(total)} in all.", Tone.FAINT),
    )


def _row(item: Item, now: datetime, *, wide: bool) -> list[str | Cell]:
    orphan, finding = item.orphan, item.finding or Finding()
    row: list[str | Cell] = [
        word(orphan.kind),
        orphan.id,
        orphan.device,
        size(orphan.size_bytes),
        age(finding.first_seen_at, now),
        state_cell(finding.state) if item.finding else "gone",
        ahead(finding.due_at, now),
        _decision(orphan.decision, now),
    ]
    return [*row, finding.reason, finding.next, orphan.fingerprint] if wide else row


def _decision(decision: Decision | None, now: datetime) -> Cell:
    if decision is None:
        return Cell(NOTHING)
    why = f": {clean(decision.reason)}" if decision.reason else ""
    ends = f", ends {ahead(decision.until, now)}" if decision.until else ""
    who = clean(decision.by) or "somebody"
    text = f"{word(decision.kind)} by {who} {ago_of(decision, now)}{ends}{why}"
    return Cell(text, _DECISIONS.get(decision.kind, Tone.PLAIN))


def ago_of(decision: Decision, now: datetime) -> str:
    """Return how long ago somebody decided."""
    return f"{age(decision.at, now)} ago" if decision.at else ""


def document(items: Sequence[Item], unknown: Sequence[str]) -> dict[str, Json]:
    """Return what scripts get."""
    return {
        "whole": not unknown,
        "unknown": list(unknown),
        "orphans": [
            {"orphan": to_json(item.orphan), "finding": to_json(item.finding)} for item in items
        ],
    }


def name(orphan: Orphan) -> str:
    """Return which orphan it is, for a sentence."""
    parts = f"{word(orphan.kind) or 'orphan'} {shown(orphan.id)} ({size(orphan.size_bytes)})"
    return f"{parts} on device {clean(orphan.device)}" if orphan.device else parts
