"""What a person reads, and may attach to a bug."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from libs.core.version import __version__
from tests.hardware.model import Exchange, Report, Result, Verdict

_LONGEST = {Verdict.CONFIRMED: 400}
"""Characters of a line or an answer; all of it is in the transcript."""

_MOST = {Verdict.CONFIRMED: 1}
"""Exchanges of a question."""

_OTHERWISE = 2000, 8
"""Both of what is not as it was expected."""


def is_good(report: Report) -> bool:
    return not report.of(Verdict.DIFFERENT)


def document(report: Report) -> dict[str, Any]:
    """Return it for programs."""
    results = [asdict(result) for result in report.results]
    return {"driver": __version__, **asdict(report), "results": results}


def render(report: Report) -> str:
    """Return it as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "# A device, validated"
    yield ""
    yield f"Driver {__version__}. " + ", ".join(f"{k}: {v}" for k, v in report.device.items()) + "."
    counts = ", ".join(f"{len(report.of(verdict))} {verdict}" for verdict in Verdict)
    yield f"{counts}."
    yield ""
    yield from _left(report)
    yield "| question | verdict | found |"
    yield "|---|---|---|"
    for result in report.results:
        found = _cell(result.answer.found)
        yield f"| {result.name}: {_cell(result.asks)} | {result.answer.verdict} | {found} |"
    yield ""
    yield from _choices(report)
    yield from _words(report)


def _left(report: Report) -> Iterator[str]:
    if report.interrupted:
        yield "**It was interrupted: not all was asked.**"
        yield ""
    if not report.swept:
        yield "Nothing was made: this run only looked."
    elif not report.left:
        yield f"Nothing is left of what was made: no disk, file or subvolume `{report.prefix}...`."
    else:
        yield "**Not all that was made could be removed.** On the device:"
        yield ""
        yield "```"
        yield from report.left
        yield "```"
    yield ""


def _choices(report: Report) -> Iterator[str]:
    results = report.of(Verdict.DIFFERENT)
    if not results:
        return
    yield "## What to choose"
    yield ""
    yield "| because of | which matters to | choose |"
    yield "|---|---|---|"
    for result in results:
        yield f"| {result.name} | {_cell(result.why)} | {_cell(result.otherwise)} |"
    yield ""


def _words(report: Report) -> Iterator[str]:
    yield "## The device's own words"
    yield ""
    for result in report.results:
        if result.exchanges:
            yield from _said(result)


def _said(result: Result) -> Iterator[str]:
    yield f"### {result.name}: {result.answer.verdict}"
    yield ""
    verdict = result.answer.verdict
    longest = _LONGEST.get(verdict, _OTHERWISE[0])
    shown = result.exchanges[-_MOST.get(verdict, _OTHERWISE[1]) :]
    if len(shown) < len(result.exchanges):
        yield f"The last {len(shown)} of {len(result.exchanges)}."
        yield ""
    for exchange in shown:
        # What the device printed is indented, so that nothing in it ends the fence.
        yield "~~~~"
        yield f"> {_short(exchange.line, longest)}"
        yield from (f"  {line}" for line in _short(exchange.answer, longest).splitlines())
        yield f"({_end(exchange)}, {exchange.seconds:g} s)"
        yield "~~~~"
        yield ""


def _end(exchange: Exchange) -> str:
    return exchange.failure or f"status {exchange.status}"


def _short(text: str, most: int) -> str:
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return text if len(text) <= most else f"{text[:most]} ... ({len(text)} characters)"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
