import pytest

from libs.core.spans import span, tracing
from tests.unit.core.tracer import Recorder


def test_without_a_tracer_nothing_is_made_for_a_span() -> None:
    first = span("a", {"b": 1})
    second = span("c", {})

    with first as own:
        own.set(d=2)
        own.fail("e")

    assert first is second


def test_an_error_passes_through_where_nobody_traces() -> None:
    with pytest.raises(RuntimeError, match="a bug"), span("a", {}):
        raise RuntimeError("a bug")


def test_spans_go_to_the_tracer_with_what_is_known_of_them_and_nest() -> None:
    recorder = Recorder()

    with tracing(recorder), span("call", {"call": "1"}, {"traceparent": "x"}) as own:
        with span("command", {"program": "mount"}) as inner:
            inner.fail("it ended with 32")
        own.set(code="OK")

    call, command = recorder.spans
    assert (call.name, call.attributes, call.parent) == (
        "call",
        {"call": "1", "code": "OK"},
        {"traceparent": "x"},
    )
    assert (command.above, command.parent, command.failure) == ("call", {}, "it ended with 32")


def test_tracing_ends_with_its_block_even_after_an_error() -> None:
    recorder = Recorder()

    with pytest.raises(RuntimeError), tracing(recorder):
        raise RuntimeError("a bug")
    with span("after", {}):
        pass

    assert recorder.spans == []


def test_the_tracer_of_an_outer_block_counts_again_after_an_inner_one() -> None:
    outer, inner = Recorder(), Recorder()

    with tracing(outer):
        with tracing(inner), span("inside", {}):
            pass
        with span("after", {}):
            pass

    assert [kept.name for kept in inner.spans] == ["inside"]
    assert [kept.name for kept in outer.spans] == ["after"]
