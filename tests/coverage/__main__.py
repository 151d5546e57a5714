"""`./dev coverage`: how much of the code the tests run, tier by tier, and that it is not less."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.coverage.figures import Figure, File, pure_files, pure_modules, read_report, total
from tests.coverage.floors import (
    ALL,
    PURE,
    PURE_UNIT,
    below,
    highest,
    incomplete,
    lowered,
    raised,
    read_floors,
    table,
)
from tests.coverage.measure import BUILD, ROOT, combine, measure, report_of

FLOORS = ROOT / "tests" / "coverage" / "floors.toml"

_UNIT = "unit"


def main() -> None:
    """Measure, tell, and fail where a test failed or a floor was not reached."""
    options, more = _options()
    text = FLOORS.read_text()
    given = read_floors(text)
    tiers = options.tiers or list(given.tiers)
    if unknown := sorted(set(tiers) - set(given.tiers)):
        sys.exit(f"there is no tier {', '.join(unknown)}: there are {', '.join(given.tiers)}")
    # Before what takes minutes, and by itself in `./dev check`: before it is committed.
    if wrong := list(lowered(given.floors, highest(_committed()))):
        sys.exit("\n".join(wrong))
    if options.floors:
        return
    if not options.again:
        wrong = [
            f"{tier}: tests failed"
            for tier in tiers
            if not measure(tier, given.tiers[tier], options.workers, more)
        ]
    whole = set(tiers) == set(given.tiers)
    if whole:
        combine(ALL, tiers)
    figures, gaps = _figures(tiers, whole=whole)
    wrong += below(figures, given.floors)
    _tell(table(figures, given.floors), figures, gaps, options.summary)
    if wrong:
        sys.exit("\n".join(["", *wrong]))
    if options.higher:
        FLOORS.write_text(raised(text, figures))


def _options() -> tuple[argparse.Namespace, Sequence[str]]:
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="./dev coverage", description=__doc__, epilog="what follows -- goes to pytest"
    )
    parser.add_argument("tiers", nargs="*", metavar="TIER", help="only these; otherwise all")
    parser.add_argument("--workers", type=int, default=4, help="tests at a time (4)")
    parser.add_argument("--again", action="store_true", help="run nothing: judge what was measured")
    parser.add_argument("--raise", action="store_true", dest="higher", help="write higher floors")
    parser.add_argument(
        "--floors", action="store_true", help="measure nothing: only see that no floor was lowered"
    )
    parser.add_argument("--summary", type=Path, metavar="FILE", help="append the table to it, too")
    return parser.parse_args(words[:cut]), words[cut + 1 :]


def _committed() -> Iterator[Mapping[str, float]]:
    """Yield the floors of every commit that changed them, as far back as this clone knows."""
    name = str(FLOORS.relative_to(ROOT))
    commits = _git("log", "--format=%H", "--", name)
    if not commits:
        sys.stdout.write("no history of floors: whether one was lowered is not checked\n")
    for commit in commits.split():
        # Nothing where the commit took the file away.
        if text := _git("show", f"{commit}:{name}"):
            yield read_floors(text).floors


def _git(*words: str) -> str:
    """Return what git prints, and nothing where it fails: an archive of the tree has no history."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *words],  # noqa: S607
            cwd=ROOT, check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _figures(tiers: Sequence[str], *, whole: bool) -> tuple[Mapping[str, Figure], Sequence[File]]:
    """Return what was measured, by name, and the pure modules by the most tiers that there are."""
    modules = pure_modules((ROOT / ".importlinter").read_text())
    figures: dict[str, Figure] = {}
    pure: tuple[File, ...] = ()
    for tier in [*tiers, ALL] if whole else tiers:
        report = read_report(report_of(tier).read_text())
        figures[tier] = total(report.values())
        if tier in {_UNIT, ALL}:
            pure = pure_files(report, modules)
            figures[PURE_UNIT if tier == _UNIT else PURE] = total(pure)
    return dict(_ordered(figures)), pure


def _ordered(figures: Mapping[str, Figure]) -> Iterator[tuple[str, Figure]]:
    """Tiers first, then what is made of several."""
    last = (ALL, PURE, PURE_UNIT)
    yield from ((name, figure) for name, figure in figures.items() if name not in last)
    yield from ((name, figures[name]) for name in last if name in figures)


def _tell(
    text: str, figures: Mapping[str, Figure], pure: Sequence[File], summary: Path | None
) -> None:
    gaps = [f"- {line}" for line in incomplete(pure)]
    if gaps:
        text += "\nPure modules that did not run as a whole:\n\n" + "\n".join(gaps) + "\n"
    sys.stdout.write(f"\n{text}")
    (BUILD.parent / "coverage.md").write_text(text)
    numbers = {
        name: {"percent": round(figure.percent, 3), **asdict(figure)}
        for name, figure in figures.items()
    }
    (BUILD.parent / "coverage.json").write_text(json.dumps(numbers, indent=2) + "\n")
    if summary is not None:
        with summary.open("a") as file:
            file.write(text)


if __name__ == "__main__":
    main()
