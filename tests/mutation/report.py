"""What came of the mutants: a table for people, and JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.mutation.orders import Outcome
from tests.mutation.tree import Explained

_WIDTH = 70


@dataclass(frozen=True, slots=True)
class Result:
    """The mutants of one module."""

    module: str
    outcomes: tuple[Outcome, ...]
    explained: tuple[Explained, ...]

    def count(self, outcome: str) -> int:
        """Return how many ended so."""
        return sum(one.outcome == outcome for one in self.outcomes)

    @property
    def survivors(self) -> list[Outcome]:
        """What no test noticed, explained or not."""
        return [one for one in self.outcomes if one.outcome in {"survived", "broken"}]

    @property
    def left(self) -> list[Outcome]:
        """What no test noticed, and nobody explained."""
        return [one for one in self.survivors if not self._why(one)]

    @property
    def stale(self) -> list[Explained]:
        """What was explained and does not survive."""
        return [
            known
            for known in self.explained
            if known.module == self.module
            and not any(self._is(known, one) for one in self.survivors)
        ]

    def _is(self, known: Explained, one: Outcome) -> bool:
        return known.covers(self.module, one.text, f"{one.before} -> {one.after}")

    def _why(self, one: Outcome) -> bool:
        return any(self._is(known, one) for known in self.explained)

    def as_json(self) -> dict[str, Any]:
        """Return it for build/mutation.json."""
        return {
            "mutants": len(self.outcomes),
            "killed": self.count("killed"),
            "timeouts": self.count("timeout"),
            "explained": len(self.survivors) - len(self.left),
            "left": [asdict(one) for one in self.left],
        }


def _shortly(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."


def table(results: Sequence[Result]) -> str:
    """Return a row for each module, and one for all."""
    head = ("module", "mutants", "killed", "timeouts", "explained", "left")
    rows = [_row(result.module, [result]) for result in results]
    if len(results) > 1:
        rows.append(_row("all", results))
    width = max(len(row[0]) for row in (head, *rows))
    return "\n".join(
        row[0].ljust(width) + "".join(cell.rjust(11) for cell in row[1:]) for row in (head, *rows)
    )


def _row(name: str, results: Iterable[Result]) -> tuple[str, ...]:
    several = [result.as_json() for result in results]
    counts = (
        *(sum(one[key] for one in several) for key in ("mutants", "killed", "timeouts")),
        sum(one["explained"] for one in several),
        sum(len(one["left"]) for one in several),
    )
    return name, *(str(count) for count in counts)


def complaints(results: Iterable[Result]) -> str:
    """Return what is to be mended: a line for each survivor, and what explains nothing any more."""
    lines = []
    for result in results:
        for one in result.left:
            why = "" if one.outcome == "survived" else f" ({one.outcome})"
            why = why if one.tests else " (no test comes here)"
            lines.append(
                f"{result.module}:{one.line}: {_shortly(one.before)} -> {_shortly(one.after)}{why}"
            )
        lines += [
            f"{result.module}: explained, but killed or gone: {known.line}"
            for known in result.stale
        ]
    return "\n".join(lines)
