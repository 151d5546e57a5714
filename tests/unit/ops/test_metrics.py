import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from libs.core.errors import InvalidRequest
from libs.ops.metrics import Metrics
from libs.ops.web import parse_listen
from tests.unit.ops.scrape import Family, parse_scrape

NASTY = 'a"b\\c\nd\\n{x="y"} 3\r\x00\u2028é'


def scrape(metrics: Metrics) -> dict[str, Family]:
    content, _ = metrics.render()
    return parse_scrape(content.decode())


def family(metrics: Metrics) -> Family:
    (found,) = scrape(metrics).values()
    return found


def test_metrics_have_a_name_a_kind_a_help_text_and_values() -> None:
    metrics = Metrics()
    calls = metrics.counter("calls_total", "Calls that ended.", ["method", "code"])
    metrics.gauge("volumes", "Volumes that are staged.").set(to=3)

    calls.add("NodeStageVolume", "OK")
    calls.add("NodeStageVolume", "OK", by=2)
    calls.add("NodeStageVolume", "ABORTED")

    found = scrape(metrics)
    assert set(found) == {"rds_csi_calls_total", "rds_csi_volumes"}
    counted = found["rds_csi_calls_total"]
    assert (counted.kind, counted.text) == ("counter", "Calls that ended.")
    assert {dict(labels)["code"]: value for (_, labels), value in counted.samples.items()} == {
        "OK": 3,
        "ABORTED": 1,
    }
    assert found["rds_csi_volumes"].samples == {("rds_csi_volumes", ()): 3}


def test_a_counter_without_labels_is_0_from_the_start() -> None:
    metrics = Metrics()

    metrics.counter("recoveries_total", "Mounts that were recovered.")

    assert list(family(metrics).samples.values()) == [0]


def test_a_counter_never_goes_down() -> None:
    counter = Metrics().counter("recoveries_total", "Mounts that were recovered.")

    with pytest.raises(ValueError, match="decrease"):
        counter.add(by=-1)


def test_a_gauge_forgets_what_is_gone() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("connected", "Whether it is connected.", ["volume"])
    gauge.set("pvc-1", to=1)
    gauge.set("pvc-2", to=0)
    gauge.add("pvc-2", by=-4)

    gauge.forget("pvc-1")
    gauge.forget("pvc-9")

    assert family(metrics).samples == {("rds_csi_connected", (("volume", "pvc-2"),)): -4}


def test_a_gauge_may_be_read_when_it_is_scraped() -> None:
    metrics = Metrics()
    values: dict[tuple[str, ...], float] = {("pvc-1",): 1}
    metrics.read_gauge("connected", "Whether it is connected.", ["volume"], lambda: values)
    before = family(metrics).samples

    values.clear()
    values["pvc-2",] = math.inf

    assert before == {("rds_csi_connected", (("volume", "pvc-1"),)): 1}
    assert family(metrics).samples == {("rds_csi_connected", (("volume", "pvc-2"),)): math.inf}


def test_a_gauge_that_cannot_be_read_leaves_the_others_alone() -> None:
    metrics = Metrics()
    metrics.gauge("volumes", "Volumes that are staged.").set(to=3)
    metrics.read_gauge("broken", "Never there.", ["a"], lambda: {("too", "many"): 1})

    with capture_logs() as logs:
        found = scrape(metrics)

    assert found["rds_csi_broken"].samples == {}
    assert list(found["rds_csi_volumes"].samples.values()) == [3]
    assert [line["metric"] for line in logs] == ["rds_csi_broken"]


def test_a_histogram_counts_up_to_infinity() -> None:
    metrics = Metrics()
    seconds = metrics.histogram("connect_seconds", "How long.", ["ok"], buckets=(0.1, 1, 10))

    for value in (0.1, 0.5, 3, 400):
        seconds.observe("yes", value=value)

    found = family(metrics)
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.samples.items()
        if name.endswith("_bucket")
    }
    rest = (("ok", "yes"),)
    assert buckets == {"0.1": 1, "1.0": 2, "10.0": 3, "+Inf": 4}
    assert found.samples["rds_csi_connect_seconds_count", rest] == 4
    assert found.samples["rds_csi_connect_seconds_sum", rest] == pytest.approx(403.6)


def test_nothing_in_a_label_or_a_help_text_breaks_a_scrape() -> None:
    metrics = Metrics()
    metrics.gauge("volumes", NASTY, ["node"]).set(NASTY, to=1)

    found = family(metrics)

    plain = 'a"b\\c\nd\\n{x="y"} 3   é'
    assert found.text == plain
    assert found.samples == {("rds_csi_volumes", (("node", plain),)): 1}


@given(st.text(max_size=300))
def test_any_label_value_is_read_back_as_it_was_but_for_control_characters(value: str) -> None:
    metrics = Metrics()
    metrics.counter("calls_total", value, ["who"]).add(value)

    ((_, labels),) = family(metrics).samples

    (read,) = dict(labels).values()
    assert len(read) == min(len(value), 256)
    assert all(a in (b, " ") for a, b in zip(read, value, strict=False))


def test_half_of_a_surrogate_pair_breaks_nothing() -> None:
    metrics = Metrics()

    metrics.counter("calls_total", "\ud800", ["who"]).add("\ud800")

    assert family(metrics).samples == {("rds_csi_calls_total", (("who", "?"),)): 1}


def test_two_registries_share_nothing() -> None:
    one, two = Metrics(), Metrics()
    one.counter("calls_total", "One.").add()
    two.counter("calls_total", "Two.").add(by=5)

    assert list(family(one).samples.values()) == [1]
    assert list(family(two).samples.values()) == [5]


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.counter("calls", "no _total"),
        lambda m: m.gauge("UPPER", "x"),
        lambda m: m.gauge("a-b", "x"),
        lambda m: m.gauge("a", "x", ["__b"]),
        lambda m: m.gauge("a", "x", ["b", "b"]),
        lambda m: m.histogram("a", "x", ["le"]),
        lambda m: m.histogram("a", "x", buckets=()),
        lambda m: m.histogram("a", "x", buckets=(2, 1)),
        lambda m: m.gauge("known", "x"),
        lambda m: m.gauge("a", "x", ["b"]).set(to=1),
        lambda m: m.gauge("a", "x", ["b"]).set("1", "2", to=1),
    ],
)
def test_what_prometheus_would_not_take_is_refused_at_once(make: Callable[[Metrics], None]) -> None:
    metrics = Metrics()
    metrics.gauge("known", "x")

    with pytest.raises(ValueError, match=r"."):
        make(metrics)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:9809", ("0.0.0.0", 9809)),  # noqa: S104 (it is read, not listened at)
        ("[::]:9809", ("::", 9809)),
        (":0", ("", 0)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_an_address_to_listen_at_is_read(text: str, address: tuple[str, int]) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize("text", ["", "9809", "::", "::1:9809", "a:b", "h:70000", "h:-1", "h:"])
def test_what_is_no_address_to_listen_at_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_listen(text)
