"""Metrics: counters, gauges and histograms, and the endpoint that Prometheus scrapes.

A thin layer over aioprometheus, which renders label values and help texts as they are: one quote
or line break in them would make a whole scrape unreadable. Here they are escaped.
"""

import contextlib
import errno
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import structlog
from aiohttp import web
from aioprometheus import collectors
from aioprometheus.renderer import render

from libs.core.errors import InUse, InvalidRequest

log = structlog.get_logger(__name__)

NAMESPACE = "rds_csi_"
"""What the names of all metrics begin with."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram of what takes from milliseconds to a minute."""

_LONGEST_VALUE = 256
"""Characters of a label value; a longer one is cut."""

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MAX_PORT = 65535

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


class _ReadGauge(collectors.Gauge):
    """A gauge whose numbers are read when they are scraped."""

    def __init__(self, name: str, text: str, registry: collectors.Registry) -> None:
        super().__init__(name, text, registry=registry)
        self.read: Callable[[], list[tuple[dict[str, str], float]]] = list

    def get_all(self) -> list[tuple[dict[str, str], float]]:  # type: ignore[override] # narrower
        try:
            return self.read()
        except Exception:  # the other metrics are wanted all the more
            log.exception("metric not read", metric=self.name)
            return []


class Metrics:
    """The metrics of one process; nothing is shared with another of these."""

    def __init__(self) -> None:
        self._registry = collectors.Registry()

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """Add a counter; without labels it is 0 from the start.

        Args:
            name: without the namespace, and ending in `_total` as Prometheus asks.
            text: what it counts.
            labels: the names of its labels.

        Raises:
            ValueError: there is a metric of that name, or it is no name.
        """
        if not name.endswith("_total"):
            raise ValueError(f"the name of a counter must end in _total: {name}")
        inner = collectors.Counter(_name(name), escape_help(text), registry=self._registry)
        counter = Counter(inner, _Labels(labels))
        if not labels:
            counter.add(by=0)
        return counter

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """Add a gauge.

        Raises:
            ValueError: there is a metric of that name, or it is no name.
        """
        inner = collectors.Gauge(_name(name), escape_help(text), registry=self._registry)
        return Gauge(inner, _Labels(labels))

    def read_gauge(self, name: str, text: str, labels: Sequence[str], read: Read) -> None:
        """Add a gauge whose numbers are read, by label values, whenever they are scraped.

        Raises:
            ValueError: there is a metric of that name, or it is no name.
        """
        known = _Labels(labels)
        inner = _ReadGauge(_name(name), escape_help(text), self._registry)
        inner.read = lambda: [(known.of(values), number) for values, number in read().items()]

    def histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = SECONDS,
    ) -> Histogram:
        """Add a histogram.

        Args:
            name: without the namespace, ending in its unit.
            text: what is measured.
            labels: the names of its labels.
            buckets: upper bounds, in order; infinity is added.

        Raises:
            ValueError: there is a metric of that name, or it is no name, or the bounds are in no
                order.
        """
        if not buckets or list(buckets) != sorted(set(buckets)) or "le" in labels:
            raise ValueError(f"not the buckets and labels of a histogram: {buckets}, {labels}")
        inner = collectors.Histogram(
            _name(name), escape_help(text), registry=self._registry, buckets=tuple(buckets)
        )
        return Histogram(inner, _Labels(labels))

    def render(self) -> tuple[bytes, str]:
        """Return all metrics as text, and its content type."""
        content, headers = render(self._registry, [])
        return content, headers["Content-Type"]


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of a metric: {name}")
    return NAMESPACE + name


def escape_value(value: str) -> str:
    """Return a label value as the text format wants it: on one line, with no bare quote."""
    plain = value[:_LONGEST_VALUE].encode(errors="replace").decode()
    escaped = plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return _CONTROL.sub(" ", escaped)


def escape_help(text: str) -> str:
    """Return a help text as the text format wants it: on one line."""
    plain = text.encode(errors="replace").decode()
    return _CONTROL.sub(" ", plain.replace("\\", r"\\").replace("\n", r"\n"))


# The endpoint


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of an address to listen at: `0.0.0.0:9809`, `[::]:9809` or `:9809`.

    Raises:
        InvalidRequest: it is no such address.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _MAX_PORT:
        raise InvalidRequest("an address to listen at must be HOST:PORT, such as 0.0.0.0:9809")
    if ":" in bare and host != f"[{bare}]":
        raise InvalidRequest("an IPv6 address to listen at must be in brackets, as in [::]:9809")
    return bare, int(port)


@contextlib.asynccontextmanager
async def open_metrics(metrics: Metrics, address: str) -> AsyncIterator[tuple[str, int]]:
    """Serve `GET /metrics` until the block ends; yield host and port that are listened at.

    Args:
        metrics: what is served.
        address: host and port, as `parse_listen` reads them; port 0 takes any that is free.

    Raises:
        InvalidRequest: it is no such address, or none of this host.
        InUse: somebody listens there.
    """
    host, port = parse_listen(address)

    async def serve(_: web.Request) -> web.Response:
        content, kind = metrics.render()
        return web.Response(body=content, headers={"Content-Type": kind})

    application = web.Application()
    application.router.add_get("/metrics", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        bound = runner.addresses[0]
        log.info("metrics", host=bound[0], port=bound[1])
        yield bound[0], bound[1]
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host or None, port).start()
    except OSError as error:
        problem = f"metrics cannot be served at {host or '*'}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise InUse(f"{problem}: somebody else listens there", detail=str(error)) from error
        raise InvalidRequest(f"{problem}: it is no address here", detail=str(error)) from error
