"""A strict reader of Prometheus's text format, version 0.0.4; anything odd is an error."""

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")
_HELP = re.compile(rf"# HELP ({_NAME}) ((?:[^\\\n]|\\[\\n])*)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram)")
_ESCAPE = re.compile(r'\\([\\"n])')

Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """One metric: what it is, and its samples by name and labels."""

    kind: str
    text: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


def parse_scrape(text: str) -> dict[str, Family]:
    """Read a scrape.

    Raises:
        ValueError: a line is none of the format's, or not where it belongs, or is there twice.
    """
    if not text.endswith("\n"):
        raise ValueError("the last line does not end")
    families: dict[str, Family] = {}
    helps: dict[str, str] = {}
    current = ""
    for line in text[:-1].split("\n"):
        if match := _HELP.fullmatch(line):
            if match[1] in helps:
                raise ValueError(f"twice: {line!r}")
            helps[match[1]] = _unescape(match[2])
        elif match := _TYPE.fullmatch(line):
            if match[1] in families:
                raise ValueError(f"twice: {line!r}")
            current = match[1]
            families[current] = Family(match[2], helps.get(current, ""))
        elif match := _SAMPLE.fullmatch(line):
            _take(families[current], current, match)
        else:
            raise ValueError(f"not a line of the format: {line!r}")
    return families


def _take(family: Family, name: str, match: re.Match[str]) -> None:
    suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
    if match[1] not in {name + suffix for suffix in suffixes}:
        raise ValueError(f"not a sample of {name}: {match[0]!r}")
    pairs = [part.split("=", 1) for part in re.findall(_LABEL, match[2] or "")]
    labels = tuple(sorted((key, _unescape(quoted[1:-1])) for key, quoted in pairs))
    if len(dict(labels)) < len(labels) or (match[1], labels) in family.samples:
        raise ValueError(f"twice: {match[0]!r}")
    family.samples[match[1], labels] = float(match[3])


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], text)
