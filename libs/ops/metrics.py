"""Metrics: counters, gauges and histograms of one process, as Prometheus reads them.

A thin layer over aioprometheus, which renders label values and help texts as they are: one quote
or line break in them would make a whole scrape unreadable. Here they are escaped.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import structlog
from aioprometheus import collectors
from aioprometheus.formats.text import TextFormatter

from libs.ops.sources import Source

log = structlog.get_logger(__name__)

NAMESPACE = "rds_csi_"
"""What the names of all metrics begin with."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram of what takes from milliseconds to a minute."""

_LONGEST_VALUE = 256
"""Characters of a label value; a longer one is cut."""

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Read = Callable[[], Mapping[tuple[str, ...], float]]


class _Labels:
    """The label names of one metric, and what makes label sets of values."""

    def __init__(self, names: Sequence[str]) -> None:
        if not all(_NAME.fullmatch(name) for name in names) or len(set(names)) < len(names):
            raise ValueError(f"not the names of labels: {names}")
        self._names = tuple(names)

    def of(self, values: Sequence[str]) -> dict[str, str]:
        if len(values) != len(self._names):
            raise ValueError(f"the labels are {self._names}, not {len(values)}")
        return {name: escape_value(value) for name, value in zip(self._names, values, strict=True)}


class Counter:
    """A number that only grows. See `Metrics.counter`."""

    def __init__(self, inner: collectors.Counter, labels: _Labels) -> None:
        self._inner = inner
        self._labels = labels

    def add(self, *values: str, by: float = 1) -> None:
        """Add to the number with these label values."""
        self._inner.add(self._labels.of(values), by)


class Gauge:
    """A number that goes up and down. See `Metrics.gauge`."""

    def __init__(self, inner: collectors.Gauge, labels: _Labels) -> None:
        self._inner = inner
        self._labels = labels

    def set(self, *values: str, to: float) -> None:
        """Set the number with these label values."""
        self._inner.set(self._labels.of(values), to)

    def add(self, *values: str, by: float = 1) -> None:
        """Add to the number with these label values; less than 0 takes away."""
        self._inner.add(self._labels.of(values), by)

    def forget(self, *values: str) -> None:
        """Say nothing any more of these label values."""
        self._inner.values.pop(self._labels.of(values), None)


class Histogram:
    """How often values were in which range. See `Metrics.histogram`."""

    def __init__(self, inner: collectors.Histogram, labels: _Labels) -> None:
        self._inner = inner
        self._labels = labels

    def observe(self, *values: str, value: float) -> None:
        """Count a value with these label values."""
        self._inner.observe(self._labels.of(values), float(value))


class _Read(collectors.Collector):
    """What has its numbers read when it is scraped."""

    read: Callable[[], list[tuple[dict[str, str], float]]] = list

    def get_all(self) -> list[tuple[dict[str, str], float]]:  # type: ignore[override] # narrower
        try:
            return self.read()
        except Exception:  # the other metrics are wanted all the more
            log.exception("metric not read", metric=self.name)
            return []


class _ReadGauge(_Read, collectors.Gauge):
    pass


class _ReadCounter(_Read, collectors.Counter):
    pass


class Metrics:
    """The metrics of one process; nothing is shared with another of these."""

    def __init__(self) -> None:
        self._registry = collectors.Registry()
        self._formatter = TextFormatter()
        self._sources: list[Source] = []

    def counter(
        self, name: str, text: str, labels: Sequence[str] = (), *, namespace: str = NAMESPACE
    ) -> Counter:
        """Add a counter; without labels it is 0 from the start.

        Args:
            name: without the namespace, and ending in `_total` as Prometheus asks.
            text: what it counts.
            labels: the names of its labels.
            namespace: what its name begins with.

        Raises:
            ValueError: there is a metric of that name, or it is no name.
        """
        inner = collectors.Counter(
            _counter_name(name, namespace), escape_help(text), registry=self._registry
        )
        counter = Counter(inner, _Labels(labels))
        if not labels:
            counter.add(by=0)
        return counter

    def gauge(
        self, name: str, text: str, labels: Sequence[str] = (), *, namespace: str = NAMESPACE
    ) -> Gauge:
        """Add a gauge.

        Raises:
            ValueError: there is a metric of that name, or it is no name.
        """
        inner = collectors.Gauge(_name(name, namespace), escape_help(text), registry=self._registry)
        return Gauge(inner, _Labels(labels))

    def read_gauge(
        self, name: str, text: str, labels: Sequence[str], read: Read, *, namespace: str = NAMESPACE
    ) -> None:
        """Add a gauge whose numbers are read, by label values, whenever they are scraped.

        Raises:
            ValueError: there is a metric of that name, or it is no name.
        """
        inner = _ReadGauge(_name(name, namespace), escape_help(text), registry=self._registry)
        inner.read = _labelled(_Labels(labels), read)

    def read_counter(
        self, name: str, text: str, labels: Sequence[str], read: Read, *, namespace: str = NAMESPACE
    ) -> None:
        """Add a counter that somebody else keeps, read whenever it is scraped.

        Raises:
            ValueError: there is a metric of that name, or it is no name.
        """
        inner = _ReadCounter(
            _counter_name(name, namespace), escape_help(text), registry=self._registry
        )
        inner.read = _labelled(_Labels(labels), read)

    def histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = SECONDS,
        *,
        namespace: str = NAMESPACE,
    ) -> Histogram:
        """Add a histogram.

        Args:
            name: without the namespace, ending in its unit.
            text: what is measured.
            labels: the names of its labels.
            buckets: upper bounds, in order; infinity is added.
            namespace: what its name begins with.

        Raises:
            ValueError: there is a metric of that name, or it is no name, or the bounds are in no
                order.
        """
        if not buckets or list(buckets) != sorted(set(buckets)) or "le" in labels:
            raise ValueError(f"not the buckets and labels of a histogram: {buckets}, {labels}")
        inner = collectors.Histogram(
            _name(name, namespace),
            escape_help(text),
            registry=self._registry,
            buckets=tuple(buckets),
        )
        return Histogram(inner, _Labels(labels))

    def on_scrape(
        self,
        collect: Callable[[], Awaitable[None]],
        *,
        cache_seconds: float,
        timeout_seconds: float,
    ) -> None:
        """Have something read anew before a scrape: what has to be asked of somebody else.

        Args:
            collect: reads it, and keeps what it read for gauges to show. It has a limit of its
                own, and what it could not read it shows no more.
            cache_seconds: how long what was read is good enough for further scrapes.
            timeout_seconds: how long a scrape waits for it; it goes on, for the next one.
        """
        self._sources.append(Source(collect, cache_seconds, timeout_seconds))

    async def collect(self) -> None:
        """Read anew what has to be asked of others, as far as that is done in time."""
        await asyncio.gather(*(source.refresh() for source in self._sources))

    async def aclose(self) -> None:
        """End what is still being asked of others."""
        for source in self._sources:
            await source.aclose()

    def render(self) -> tuple[bytes, str]:
        """Return all metrics as text, and its content type."""
        return _joined(list(self._blocks())), self.content_type

    async def render_in_turns(self) -> tuple[bytes, str]:
        """Do the same, and let others have their turn on the event loop in between."""
        blocks = []
        for block in self._blocks():
            blocks.append(block)
            await asyncio.sleep(0)
        return _joined(blocks), self.content_type

    @property
    def content_type(self) -> str:
        """What `render` makes."""
        return self._formatter.get_headers()["Content-Type"]

    def _blocks(self) -> Iterator[str]:
        for collector in list(self._registry.get_all()):
            yield self._formatter.marshall_collector(collector)


def _joined(blocks: list[str]) -> bytes:
    return "\n".join([*sorted(blocks), ""]).encode()


def _labelled(labels: _Labels, read: Read) -> Callable[[], list[tuple[dict[str, str], float]]]:
    return lambda: [(labels.of(values), number) for values, number in read().items()]


def _counter_name(name: str, namespace: str) -> str:
    if not name.endswith("_total"):
        raise ValueError(f"the name of a counter must end in _total: {name}")
    return _name(name, namespace)


def _name(name: str, namespace: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of a metric: {name}")
    return namespace + name


def escape_value(value: str) -> str:
    """Return a label value as the text format wants it: on one line, with no bare quote."""
    plain = value[:_LONGEST_VALUE].encode(errors="replace").decode()
    escaped = plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return _CONTROL.sub(" ", escaped)


def escape_help(text: str) -> str:
    """Return a help text as the text format wants it: on one line."""
    plain = text.encode(errors="replace").decode()
    return _CONTROL.sub(" ", plain.replace("\\", r"\\").replace("\n", r"\n"))
