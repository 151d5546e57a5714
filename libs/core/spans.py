"""Spans: what a trace shows of the work of one call. Pure; nothing is done until one is installed.

Whoever does something worth seeing in a trace wraps it in `span`. Without a tracer that is one look
at a variable.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

Value = str | int | float | bool


class Span(Protocol):
    """A piece of work that is being done."""

    def set(self, **attributes: Value) -> None:
        """Add what has become known of it."""

    def fail(self, text: str) -> None:
        """Say that it did not succeed, and why."""


class Tracer(Protocol):
    """Where spans go. Spans of one task nest; a task that it starts goes on below the same one."""

    def span(
        self, name: str, attributes: Mapping[str, Value], parent: Mapping[str, str]
    ) -> AbstractContextManager[Span]:
        """Begin a span, below the one that the caller's `parent` headers name, if any."""


class _Nothing:
    def set(self, **_: Value) -> None:
        pass

    def fail(self, _: str) -> None:
        pass

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        pass


_NOTHING = _Nothing()
_installed: Tracer | None = None


def span(
    name: str, attributes: Mapping[str, Value], parent: Mapping[str, str] | None = None
) -> AbstractContextManager[Span]:
    """Wrap a piece of work in a span, if anybody traces.

    Args:
        name: what is done, out of a small set of names.
        attributes: what it is done to; no secrets.
        parent: headers that came with the request, of which W3C's `traceparent` is looked at.
    """
    tracer = _installed
    return _NOTHING if tracer is None else tracer.span(name, attributes, parent or {})


@contextlib.contextmanager
def tracing(tracer: Tracer | None) -> Iterator[None]:
    """Have the spans of this process go to a tracer until the block ends."""
    global _installed  # noqa: PLW0603 (one process, one trace of it)
    before, _installed = _installed, tracer
    try:
        yield
    finally:
        _installed = before
