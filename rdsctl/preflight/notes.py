"""Findings as they are collected. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from rdsctl.preflight.model import Finding, Level
from rdsctl.words import clean


class Notes:
    """The findings of one check after the other."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._check = ""
        self._reasons: defaultdict[tuple[Level, str, str], list[str]] = defaultdict(list)

    def begin(self, check: str) -> None:
        """Begin a check; what is said from now on is said by it."""
        self.end()
        self._check = check

    def end(self) -> bool:
        """Say what was counted; return whether all of it was well."""
        found = [
            Finding(level, self._check, text, remedy, tuple(names))
            for (level, text, remedy), names in self._reasons.items()
        ]
        self._reasons.clear()
        self._findings += found
        return not found

    def all(self) -> tuple[Finding, ...]:
        """Return what was said, in that order."""
        self.end()
        return tuple(self._findings)

    def ok(self, text: str, remedy: str = "", names: Iterable[str] = ()) -> None:
        """Say what is as it should be."""
        self._say(Level.OK, text, remedy, names)

    def warn(self, text: str, remedy: str = "", names: Iterable[str] = ()) -> None:
        """Say what is worth doing first."""
        self._say(Level.WARNING, text, remedy, names)

    def block(self, text: str, remedy: str = "", names: Iterable[str] = ()) -> None:
        """Say what must not stay so."""
        self._say(Level.BLOCKER, text, remedy, names)

    def count(self, level: Level, name: str, text: str, remedy: str = "") -> None:
        """Say something of one object; what is the same of several is said once."""
        self._reasons[level, clean(text), clean(remedy)].append(clean(name))

    def _say(self, level: Level, text: str, remedy: str, names: Iterable[str]) -> None:
        shown = tuple(clean(name) for name in names)
        self._findings.append(Finding(level, self._check, clean(text), clean(remedy), shown))
