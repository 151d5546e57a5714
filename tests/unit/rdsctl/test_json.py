from datetime import UTC, datetime, timedelta, timezone

import pytest

from protos.gen.rdscsi.reconciler import v1 as api
from rdsctl.jsonform import fields_of, to_json


def test_a_message_has_all_its_fields_set_or_not() -> None:
    assert fields_of(api.Decision()) == {
        "kind": None,
        "by": "",
        "reason": "",
        "at": None,
        "until": None,
    }


def test_moments_are_in_utc_and_enums_are_words() -> None:
    at = datetime(2026, 1, 2, 4, tzinfo=timezone(timedelta(hours=1)))
    decision = api.Decision(kind=api.DecisionKind.APPROVED, at=at)

    assert to_json(decision.at) == "2026-01-02T03:00:00Z"
    assert fields_of(decision)["kind"] == "approved"


def test_a_field_whose_name_python_keeps_for_itself_has_the_name_of_the_contract() -> None:
    assert "pass" in fields_of(api.RunPassResponse())


def test_lists_and_messages_inside_messages_are_followed() -> None:
    status = api.GetStatusResponse(queues=[api.Queue(name="events", length=2)])

    queue = {"name": "events", "length": 2, "backing_off": 0, "oldest_since": None}
    assert fields_of(status)["queues"] == [queue]


def test_spans_are_seconds() -> None:
    assert to_json(timedelta(minutes=1)) == 60.0


def test_what_no_field_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON for object"):
        to_json(object())


def test_the_moment_of_an_answer_is_written_to_the_microsecond() -> None:
    assert to_json(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)) == "2026-01-02T03:04:05.000006Z"
