"""What an expression of PromQL uses: metrics, with the labels that it asks of them.

Not a parser (promtool is one): a reader of names, which takes every word that is no function, no
keyword and no label for a metric. A word that it does not know is reported, never passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_WORDS = re.compile(
    r"""
    (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<span>\[[^\]]*\])
    | (?P<number>\d[\w.]*)
    | (?P<word>[a-zA-Z_:][\w:]*)
    | (?P<sign>=~|!~|!=|==|>=|<=|\S)
    """,
    re.VERBOSE,
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_OPERATORS = {"and", "or", "unless", "bool", "offset"}


@dataclass
class Use:
    """What an expression uses.

    Attributes:
        metrics: for each selector the metric, and what it asks of which label.
        labels: the labels that it groups or joins by.
    """

    metrics: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        """The metrics."""
        return {name for name, _ in self.metrics}


def read_use(expr: str) -> Use:
    """Return what an expression uses."""
    words = [(str(m.lastgroup), m.group()) for m in _WORDS.finditer(expr)]
    use, at = Use(), 0
    while at < len(words):
        kind, word = words[at]
        following = words[at + 1][1] if at + 1 < len(words) else ""
        at += 1
        if kind != "word" or word in _OPERATORS:
            continue
        if word in _GROUPING:
            if following == "(":
                end = at + [text for _, text in words[at:]].index(")")
                use.labels |= {text for sort, text in words[at:end] if sort == "word"}
                at = end + 1
        elif following == "{":
            end = at + [text for _, text in words[at:]].index("}")
            use.metrics.append((word, dict(_asked(words[at + 1 : end]))))
            at = end + 1
        elif following != "(" and not _is_aggregation(words, at):
            use.metrics.append((word, {}))
    return use


def _is_aggregation(words: list[tuple[str, str]], at: int) -> bool:
    """Whether the word before is like `sum` in `sum by (x) (...)`."""
    return at < len(words) and words[at][1] in {"by", "without"}


def _asked(words: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for place, (kind, word) in enumerate(words):
        if kind == "word":
            yield word, words[place + 1][1] + words[place + 2][1].strip('"')
