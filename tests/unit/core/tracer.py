"""A tracer that keeps what it is told."""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from libs.core.spans import Span, Value


@dataclass
class KeptSpan:
    name: str
    attributes: dict[str, Value]
    parent: Mapping[str, str]
    above: str
    failure: str = ""
    ended: bool = field(default=False)

    def set(self, **attributes: Value) -> None:
        self.attributes |= attributes

    def fail(self, text: str) -> None:
        self.failure = text


class Recorder:
    """Keeps spans, each with the name of the one above it; a `libs.core.spans.Tracer`."""

    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []
        self._above: ContextVar[str] = ContextVar("above", default="")

    @contextlib.contextmanager
    def span(
        self, name: str, attributes: Mapping[str, Value], parent: Mapping[str, str]
    ) -> Iterator[Span]:
        kept = KeptSpan(name, dict(attributes), dict(parent), self._above.get())
        self.spans.append(kept)
        token = self._above.set(name)
        try:
            yield kept
        finally:
            self._above.reset(token)
            kept.ended = True

    def named(self, name: str) -> list[KeptSpan]:
        return [span for span in self.spans if span.name == name]
