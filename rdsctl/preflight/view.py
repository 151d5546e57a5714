"""What preflight says, for people and for scripts. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from rdsctl.blocks import Block, Cell, Line, Table, Tone, facts
from rdsctl.jsonform import Json
from rdsctl.preflight.model import Finding, Level
from rdsctl.words import clean, plural

_ORDER = (Level.BLOCKER, Level.WARNING, Level.OK)
_TONES = {Level.BLOCKER: Tone.BAD, Level.WARNING: Tone.WARN, Level.OK: Tone.GOOD}

_MANY = 5
"""Names that are shown where not all are asked for."""


def render(
    findings: Sequence[Finding],
    settings: Mapping[str, str],
    unreached: Sequence[str],
    *,
    wide: bool,
) -> tuple[Block, ...]:
    """Return what `rdsctl preflight` says.

    Args:
        findings: of all checks.
        settings: what the new driver is to be given.
        unreached: what could not be looked at, and why.
        wide: whether to show all names.
    """
    ordered = sorted(findings, key=lambda one: _ORDER.index(one.level))
    rows = tuple(row for one in ordered for row in _rows(one, wide=wide))
    flags = [(f"--{name}", value) for name, value in settings.items()]
    return (
        *(Line(f"Not looked at: {clean(why)}", Tone.BAD) for why in unreached),
        Table("", ("LEVEL", "CHECK", "FINDING"), rows),
        *((facts(*flags, title="Settings that fit what is there"),) if rows and flags else ()),
        Line(""),
        _verdict(findings, unreached),
    )


def _rows(one: Finding, *, wide: bool) -> Iterator[tuple[Cell, ...]]:
    empty = Cell("")
    yield (Cell(one.level.value, _TONES[one.level]), Cell(one.check), Cell(one.text))
    if one.names:
        yield empty, empty, Cell(f"of: {_named(one.names, wide=wide)}", Tone.FAINT)
    if one.remedy:
        yield empty, empty, Cell(f"do: {one.remedy}")


def _named(names: Sequence[str], *, wide: bool) -> str:
    few = names if wide else names[:_MANY]
    more = len(names) - len(few)
    return ", ".join(few) + (f" and {more} more (-o wide)" if more else "")


def _verdict(findings: Sequence[Finding], unreached: Sequence[str]) -> Line:
    counts = {level: sum(one.level is level for one in findings) for level in Level}
    blockers, warnings = counts[Level.BLOCKER], counts[Level.WARNING]
    said = f"{plural(blockers, 'blocker')}, {plural(warnings, 'warning')}. Nothing was changed."
    if unreached:
        return Line(f"Not everything was looked at: {said}", Tone.BAD)
    if blockers:
        return Line(f"Do not move yet: {said}", Tone.BAD)
    if warnings:
        return Line(f"Nothing is in the way: {said}", Tone.WARN)
    return Line(f"All is ready: {said}", Tone.GOOD)


def document(
    findings: Sequence[Finding], settings: Mapping[str, str], unreached: Sequence[str]
) -> dict[str, Json]:
    """Return what scripts get."""
    return {
        "ready": is_ready(findings, unreached),
        "findings": [
            {
                "level": one.level.value,
                "check": one.check,
                "text": one.text,
                "remedy": one.remedy,
                "names": list(one.names),
            }
            for one in findings
        ],
        "settings": dict(settings),
        "unreached": list(unreached),
    }


def is_ready(findings: Sequence[Finding], unreached: Sequence[str]) -> bool:
    """Whether nothing is in the way of moving over."""
    return not unreached and all(one.level is not Level.BLOCKER for one in findings)
